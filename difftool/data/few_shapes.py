"""Batches of examples that differ in size, padded to one of a few sizes.

A device that replays recorded steps, or runs compiled ones, needs a recording for each shape of
batch. Rounding up to eight sizes an octave bounds their number, at a cost of 6 % of padding on
average.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..batch import Batch

SIZES = 3
"""Bits that a size keeps after its first: 2^3 sizes in each octave."""


def rounded(size: int) -> int:
    """The next size of the grid that is not smaller."""
    step = 1 << max(0, size.bit_length() - 1 - SIZES)
    return -(-size // step) * step


def in_few_shapes(batch: Batch, shape: Sequence[int | None]) -> Batch:
    """The batch, padded at the end of the axes along which examples differ, with a mask.

    A batch that has conditions along these axes is returned as it is.

    Args:
        shape: of an example, None where examples differ.
    """
    axes = [axis for axis, size in enumerate(shape, 1) if size is None]
    along = [t for t in batch.cond.values() for axis in axes if _is_along(t, batch.x, axis)]
    if not axes or along:
        return batch
    more = [rounded(n) - n if axis in axes else 0 for axis, n in enumerate(batch.x.shape)]
    mask = torch.ones(len(batch), *(1,) * (batch.x.ndim - 1), dtype=torch.bool)
    mask = _padded(_whole(mask if batch.mask is None else batch.mask, batch.x, axes), more)
    observed = batch.observed
    if observed is not None:
        observed = _padded(_whole(observed, batch.x, axes), more)
    return Batch(_padded(batch.x, more), batch.cond, mask, observed, batch.noise_free)


def _is_along(tensor: Tensor, x: Tensor, axis: int) -> bool:
    return tensor.ndim > axis and tensor.shape[axis] == x.shape[axis]


def _whole(tensor: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    """A tensor that broadcasts to ``x``, as long as ``x`` along some axes."""
    return tensor.expand(*(x.shape[i] if i in axes else n for i, n in enumerate(tensor.shape)))


def _padded(tensor: Tensor, more: Sequence[int]) -> Tensor:
    """Zeros or False appended, so many along each axis."""
    return F.pad(tensor, [n for size in reversed(more) for n in (0, size)])
