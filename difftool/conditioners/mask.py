"""Given entries and their mask as input channels, for models that are trained to fill examples.

Such a network is shown the given entries beside the noisy example, zeros in between, and where they
are (Saharia et al. 2022, "Palette", arXiv:2111.05826, Sec. 3); in the example itself, which is
scaled down at high noise, they would be too faint. Half of the examples have none, so that it makes
whole examples as well.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch
from torch import Tensor

from ..batch import Batch
from ..rng import Rng, Shape
from .columns import ChannelsColumn

MASK = "given entries"
"""Its name among the conditions; no column of a table is likely to have it."""

SPREAD = 0.5
"""Standard deviation of data in model units, about, by which given entries are divided."""

SMALLEST = 0.1
"""Smallest side of a box, as a share of the axis."""


def mask_column(channels: int) -> ChannelsColumn:
    """The column for encoded examples of so many channels."""
    return ChannelsColumn(MASK, width=channels + 1)


def masked(batch: Batch, rng: Rng) -> Batch:
    """A training batch of which random parts are given."""
    given = random_marks(batch.x.shape, rng)
    return with_mask(
        replace(batch, observed=given if batch.observed is None else given | batch.observed)
    )


def with_mask(batch: Batch) -> Batch:
    """The batch with its given entries as channels ``[b, c + 1, ...]``, the last of them the mask.

    In the example the network meets them without noise.
    """
    x, given = batch.x, batch.observed
    where = torch.zeros_like(x[:, :1], dtype=torch.bool)
    if given is not None:
        where = given.expand(x.shape).all(1, keepdim=True)
    channels = torch.cat((torch.where(where, x / SPREAD, 0.0), where.to(x.dtype)), 1)
    return replace(batch.with_cond(**{MASK: channels}), noise_free=True)


def told(conditions: Collection[str], batch: Batch) -> Batch:
    """The batch as a model with these conditions takes it: with the mask, if it was trained so."""
    return with_mask(batch) if MASK in conditions else batch


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
