"""spooled: an array that is built block by block and may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import TemporaryFile

import numpy as np

from .cache import workspace

HELD = 1 << 23
"""Bytes that are kept in memory. It is small because several examples are read at once."""


def spooled(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Concatenate blocks along their first axis; they share their dtype and all other axes.

    A large array is written to an unnamed temporary file and memory-mapped; the file lasts as long
    as the array.

    Raises:
        ValueError: there is no block, or the blocks do not match.
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
                raise ValueError(
                    f"a block is {block.dtype} {block.shape[1:]}, but earlier ones are {first.dtype} {first.shape[1:]}"
                )
            file.write(np.ascontiguousarray(block).data)
            length += len(block)
        file.flush()
        return np.asarray(np.memmap(file, first.dtype, "r", shape=(length, *first.shape[1:])))
