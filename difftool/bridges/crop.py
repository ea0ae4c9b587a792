"""Random crops of a batch, without host synchronisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..rng import Rng


def cropped(batch: Batch, sizes: Sequence[int], rng: Rng) -> Batch:
    """A random crop of each example, within its real entries.

    Tensors with as many axes as ``x`` are cropped alike; axes of one entry, which broadcast, stay.

    Args:
        sizes: of the crop, for each axis of ``x`` after its channels.
    """
    for axis, size in enumerate(sizes, 2):
        if size < batch.x.shape[axis]:
            room = (_extent(batch, axis) - size).clamp_min(0)
            start = (rng.uniform((len(batch),)) * (room + 1)).long()
            batch = _cut(batch, axis, start[:, None] + torch.arange(size, device=start.device))
    return batch


def _cut(batch: Batch, axis: int, places: Tensor) -> Batch:
    """The batch at ``places [b, size]`` of an axis."""
    n, ndim = batch.x.shape[axis], batch.x.ndim
    return batch.map(
        lambda t: _taken(t, axis, places) if t.ndim == ndim and t.shape[axis] == n else t
    )


def _extent(batch: Batch, axis: int) -> Tensor:
    """``[b]``: how many entries along an axis are real."""
    n = batch.x.shape[axis]
    if batch.mask is None or batch.mask.shape[axis] == 1:
        return torch.full((len(batch),), n, device=batch.x.device)
    return (
        batch.mask.expand(len(batch), *batch.mask.shape[1:])
        .transpose(1, axis)
        .flatten(2)
        .any(2)
        .sum(1)
    )


def _taken(t: Tensor, axis: int, places: Tensor) -> Tensor:
    t = t.expand(len(places), *t.shape[1:])
    index = places.reshape(len(places), *(1,) * (axis - 1), -1, *(1,) * (t.ndim - 1 - axis))
    return t.gather(axis, index.expand(*t.shape[:axis], -1, *t.shape[axis + 1 :]))
