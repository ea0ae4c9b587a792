"""Given entries and their mask as input channels, for models that are trained to fill examples.

Such a network is shown the given entries beside the noisy example, zeros in between, and where they
are (Saharia et al. 2022, "Palette", arXiv:2111.05826, Sec. 3); in the example itself, which is
scaled down at high noise, they would be too faint. Half of the examples have none, so that it makes
whole examples as well. Of points with features, whose given positions have no values that stay the
same when all are turned, it is shown the mask alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..batch import Batch
from ..column import Column
from ..rng import Rng, Shape
from .columns import ChannelsColumn

MASK = "given entries"
"""Its name among the conditions; no column of a table is likely to have it."""

SPREAD = 0.5
"""Standard deviation of data in model units, about, by which given entries are divided."""

SMALLEST = 0.1
"""Smallest side of a box, as a share of the axis."""


def mask_column(width: int) -> ChannelsColumn:
    """The column of so many channels, ``Representation.mask_channels``."""
    return ChannelsColumn(MASK, width=width)


def told(conditions: Mapping[str, Column], batch: Batch) -> Batch:
    """The batch as a model with these conditions takes it: with the mask, if it was trained so.

    In the example the network meets given entries without noise.
    """
    if (column := conditions.get(MASK)) is None:
        return batch
    points = isinstance(column, ChannelsColumn) and column.width == 1
    channels = of_points(batch) if points else of_grid(batch)
    return replace(batch.with_cond(**{MASK: channels}), noise_free=True)


def of_points(batch: Batch) -> Tensor:
    """Which points of ``[b, n, f]`` are given, ``[b, 1, n]``."""
    x, given = batch.x, batch.observed
    if given is None:
        return torch.zeros_like(x[:, None, :, 0])
    return given.expand(x.shape).all(2)[:, None].to(x.dtype)


def of_grid(batch: Batch) -> Tensor:
    """The given entries as channels ``[b, c + 1, ...]``, the last of them the mask."""
    x, given = batch.x, batch.observed
    where = torch.zeros_like(x[:, :1], dtype=torch.bool)
    if given is not None:
        where = given.expand(x.shape).all(1, keepdim=True)
    return torch.cat((torch.where(where, x / SPREAD, 0.0), where.to(x.dtype)), 1)


def random_marks(shape: Shape, rng: Rng) -> Tensor:
    """``[b, 1, ...]``: which entries are given. Nothing in half of the examples; else all but a
    box, or in every fourth a box alone. A side of the box is the whole axis in a third of them.
    """
    b, axes = shape[0], shape[2:]
    some, inside, *sides = rng.uniform((b, 2 + 3 * len(axes))).T
    box = torch.ones(b, 1, *axes, dtype=torch.bool, device=rng.device)
    for axis, size in enumerate(axes):
        whole, length, start = sides[3 * axis : 3 * axis + 3]
        length = torch.where(whole < 1 / 3, 1.0, SMALLEST + (1 - SMALLEST) * length)
        first, at = start * (1 - length), (torch.arange(size, device=rng.device) + 0.5) / size
        along = (at >= first[:, None]) & (at <= (first + length)[:, None])
        box &= along.reshape(b, 1, *(size if i == axis else 1 for i in range(len(axes))))
    some, inside = (one.reshape(b, *(1,) * (len(shape) - 1)) for one in (some, inside))
    return torch.where(inside < 1 / 4, box, ~box) & (some < 1 / 2)
