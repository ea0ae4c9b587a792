"""spooled: an array that is made piece by piece, and may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import TemporaryFile

import numpy as np

from .cache import workspace

HELD = 1 << 23
"""Bytes that are kept in memory; several examples are read at once, and wait for each other."""


def spooled(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Blocks of one type that agree in all axes but the first, laid one after another along it.

    What is large is laid into a file without a name, which lasts as long as the array does; the array is a map of it.

    Raises:
        ValueError: there is no block, or they do not agree.
    """
    held: list[np.ndarray] = []
    size, rest = 0, iter(blocks)
    for block in rest:
        held.append(block)
        size += block.nbytes
        if size > HELD:
            return _mapped(chain(held, rest))
    return held[0] if len(held) == 1 else np.concatenate(held)


def _mapped(blocks: Iterator[np.ndarray]) -> np.ndarray:
    first = next(blocks)
    length = 0
    with TemporaryFile(dir=workspace(), prefix="spooled-") as file:
        for block in chain([first], blocks):
            if block.dtype != first.dtype or block.shape[1:] != first.shape[1:]:
                raise ValueError(f"a block is {block.dtype} {block.shape[1:]}, and those before it {first.dtype} {first.shape[1:]}")
            file.write(np.ascontiguousarray(block).data)
            length += len(block)
        file.flush()
        return np.asarray(np.memmap(file, first.dtype, "r", shape=(length, *first.shape[1:])))
