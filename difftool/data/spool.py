"""spooled: an array that is built block by block and may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from shutil import copyfileobj
from tempfile import TemporaryFile

import numpy as np

from .bound import counted
from .cache import workspace

HELD = 1 << 23
"""Bytes that are kept in memory. It is small because several examples are read at once."""


def spooled(blocks: Iterable[np.ndarray], axis: int = 0) -> np.ndarray:
    """Concatenate blocks along an axis; they share their dtype and all other axes.

    A large array is written to an unnamed temporary file and memory-mapped; the file lasts as long
    as the array.

    Args:
        axis: 0, or 1 for blocks of few rows, such as the channels of a recording.

    Raises:
        ValueError: there is no block, or the blocks do not match.
        DataError: the file that is being read becomes too large (``bound``).
    """
    held: list[np.ndarray] = []
    size, rest = 0, counted(blocks)
    for block in rest:
        held.append(block)
        size += block.nbytes
        if size > HELD:
            return _mapped(chain(held, rest), axis)
    return held[0] if len(held) == 1 else np.concatenate(held, axis)


def _mapped(blocks: Iterator[np.ndarray], axis: int) -> np.ndarray:
    """The array in a file; along axis 1, each row grows in a file of its own, to be joined at the
    end.
    """
    first = next(blocks)
    length = 0
    with ExitStack() as stack:
        whole, *others = (
            stack.enter_context(TemporaryFile(dir=workspace(), prefix="spooled-"))
            for _ in range(len(first) if axis else 1)
        )
        for block in chain([first], blocks):
            _refuse_unlike(block, first, axis)
            for file, row in zip((whole, *others), block if axis else [block], strict=True):
                file.write(np.ascontiguousarray(row).data)
            length += block.shape[axis]
        for file in others:
            file.seek(0)
            copyfileobj(file, whole, 1 << 20)
        whole.flush()
        shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
        return np.asarray(np.memmap(whole, first.dtype, "r", shape=shape))


def _refuse_unlike(block: np.ndarray, first: np.ndarray, axis: int) -> None:
    one, other = (np.delete(x.shape, axis).tolist() for x in (block, first))
    if block.dtype != first.dtype or one != other:
        raise ValueError(
            f"a block is {block.dtype} {tuple(one)}, but earlier ones are {first.dtype} "
            f"{tuple(other)}"
        )
