"""A bound on what one file may become: a small one can unpack to more than any disk holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import numpy as np

from ..errors import DataError

ALWAYS = 2 << 30
"""Bytes that a file may become however small it is."""

RATIO = 5000
"""Bytes that each byte of a larger file may become. Ten hours of silence become 900 times as
much, and an hour of examples that are all alike about 1,500 times.
"""

_bound: ContextVar[tuple[Path, int] | None] = ContextVar("bound", default=None)


@contextmanager
def bounded(path: Path) -> Iterator[None]:
    """Inside the block, ``counted`` bounds what this file becomes. A folder has no bound."""
    most = max(ALWAYS, RATIO * path.stat().st_size) if path.is_file() else None
    before = _bound.set((path, most) if most else None)
    try:
        yield
    finally:
        _bound.reset(before)


def counted(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same blocks. Raises DataError where they are together beyond the bound."""
    total = 0
    for block in blocks:
        total += block.nbytes
        if (bound := _bound.get()) and total > bound[1]:
            path, most = bound
            raise DataError(
                f"{path} becomes more than {most / 1e9:.1f} GB when it is decoded, which is out of "
                "proportion to its size. Cut it into parts, or remove it: such files are made to "
                "fill a disk."
            )
        yield block
