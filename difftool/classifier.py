"""A classifier or regressor of noisy examples: ln p(condition | x; sigma)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .column import Column
from .conditioners.columns import LabelColumn, LabelsColumn, NumberColumn
from .nn.backbone import Backbone, Interface, Signals
from .process.process import Preconditioning
from .shapes import expand_as

Build = Callable[[Interface], Backbone]
"""Builds the network of a configuration with another interface."""


class Classifier(nn.Module):
    """A network of the run's own kind; its output is averaged over the example and read by a linear
    layer for each condition.

    Dhariwal & Nichol 2021, arXiv:2105.05233, Sec. 4.1.

    Args:
        build: builds the network. The example gets empty channels, up to ``features``.
        shape: of an encoded example.
        columns: the conditions to recognise.
        features: numbers that the network gives at each place.
    """

    def __init__(
        self,
        build: Build,
        shape: Sequence[int | None],
        preconditioning: Preconditioning,
        columns: Sequence[Column],
        features: int,
    ) -> None:
        super().__init__()
        self.preconditioning, self.columns = preconditioning, {c.name: c for c in columns}
        # points with features, [b, n, f], have their channels last
        self.axis = len(shape) if shape[0] is None else 1
        own = shape[self.axis - 1]
        assert own is not None
        self.empty = max(features - own, 0)
        wide = (*shape[: self.axis - 1], own + self.empty, *shape[self.axis :])
        self.network = build(replace(Interface(tuple(shape)), shape=wide))
        self.heads = nn.ModuleList(nn.Linear(2 * (own + self.empty), _width(c)) for c in columns)

    def features(self, x: Tensor, sigma: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[b, 2 features]``: mean and standard deviation over the places of an example."""
        c = self.preconditioning.coefficients(sigma)
        shape = list(x.shape)
        shape[self.axis] = self.empty
        wide = torch.cat((expand_as(c.in_, x) * x, x.new_zeros(shape)), self.axis)
        if mask is not None and mask.shape[self.axis] != 1:
            mask = mask.any(self.axis, keepdim=True)
        y = self.network(wide, c.noise, Signals(), mask).float().movedim(self.axis, 1)
        kept = torch.ones_like(y) if mask is None else mask.to(y).movedim(self.axis, 1).expand_as(y)
        y, kept = y.flatten(2), kept.flatten(2)
        count = kept.sum(2).clamp_min(1)
        mean = (y * kept).sum(2) / count
        variance = ((y - mean[:, :, None]).square() * kept).sum(2) / count
        return torch.cat((mean, (variance + 1e-6).sqrt()), 1)

    def log_probability(
        self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> Tensor:
        """``[b]``: ln p of the given conditions, added up; those that are null count nothing."""
        features = self.features(x, sigma, mask)
        total = features.new_zeros(len(x))
        for head, (name, column) in zip(self.heads, self.columns.items(), strict=True):
            if name in cond:
                total = total + log_probability(column, head(features), cond[name])
        return total


def recognisable(column: Column) -> bool:
    """Whether a classifier can learn this condition."""
    return isinstance(column, LabelColumn | LabelsColumn | NumberColumn)


def log_probability(column: Column, guess: Tensor, value: Tensor) -> Tensor:
    """``guess [b, width]`` -> ln p(value) ``[b]``; 0 where the value is null.

    Labels are categories, several labels are independent, and a number is normal with a mean and a
    variance that the network gives.
    """
    if isinstance(column, LabelColumn):
        known = value >= 0
        found = guess.log_softmax(1).gather(1, value.clamp_min(0)[:, None])[:, 0]
        return found.where(known, 0.0)
    if isinstance(column, LabelsColumn):
        known = value >= 0
        each = -F.binary_cross_entropy_with_logits(guess, value.clamp_min(0), reduction="none")
        return (each * known).sum(1)
    assert isinstance(column, NumberColumn)
    known = ~value.isnan()
    z = (value.nan_to_num() - column.mean) / (column.std or 1.0)
    mean, log_variance = guess[:, 0], guess[:, 1].clamp(-10, 10)
    square = (z - mean).square() * (-log_variance).exp()
    return (-(square + log_variance + math.log(2 * math.pi)) / 2).where(known, 0.0)


def _width(column: Column) -> int:
    if isinstance(column, LabelColumn | LabelsColumn):
        return len(column.names)
    return 2
