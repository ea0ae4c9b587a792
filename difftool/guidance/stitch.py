"""Stitch: several regions of an example, each under its own condition."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from ..column import Column
from ..context import Context
from ..denoiser import Cond, D
from ..errors import UsageError
from ..sampler import Denoise
from ..spans import slices
from .bind import bind
from .guidance import Guidance
from .options import StitchOptions

FINE = 1000
"""Positions to which shares of an axis are rounded."""


class Region(NamedTuple):
    """A box of shares of the last axes, and the condition in it."""

    name: str
    value: Any
    box: list[tuple[float, float]]


class Stitch(Guidance):
    """D = sum_k w_k D(x; cond_k) / sum_k w_k, with weights w_k of one in region k and zero outside.

    The closed-form least squares of MultiDiffusion (Bar-Tal et al. 2023, arXiv:2302.08113, Eq. 5)
    on estimates of x0. Where no region is, D has the example's own condition. Each region costs an
    evaluation; examples that are longer than those of training need tiles as well.
    """

    options: StitchOptions

    def __init__(self, options: StitchOptions, columns: Mapping[str, Column]) -> None:
        super().__init__(options)
        self._columns = columns
        self._regions = [region_of(text, columns) for text in options.regions]

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        return cls(options, context.description.conditions)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        own = bind(denoiser, cond, mask)
        parts = [(one.box, bind(denoiser, self._within(one, cond), mask)) for one in self._regions]
        if not parts:
            return own

        def denoise(x: Tensor, sigma: float) -> Tensor:
            shares = [bump(x, box, self.options.soft) for box, _ in parts]
            weights = torch.stack(torch.broadcast_tensors(*shares))
            rest = (1 - weights.sum(0)).clamp_min(0)
            total = rest + weights.sum(0)
            x0 = rest * own(x, sigma)
            for weight, (_, part) in zip(weights, parts, strict=True):
                x0 = x0 + weight * part(x, sigma)
            return x0 / total

        return denoise

    def _within(self, region: Region, cond: Cond) -> dict[str, Tensor]:
        column, like = self._columns[region.name], cond[region.name]
        batch = torch.from_numpy(column.batch([region.value] * len(like)))
        return {**cond, region.name: batch.to(like.device, like.dtype)}


def region_of(text: str, columns: Mapping[str, Column]) -> Region:
    """The region in texts such as ``class=A@0:0.5,:``. Raises UsageError."""
    named, at, place = text.rpartition("@")
    name, equals, value = named.partition("=")
    if not at or not equals or not place.strip():
        raise UsageError(
            f"stitch.regions: {text} does not have the form NAME=VALUE@FROM:TO,…, such as "
            "class=cat@0:0.5."
        )
    if name not in columns or not columns[name].settable:
        known = ", ".join(c.name for c in columns.values() if c.settable) or "none"
        raise UsageError(f"The model has no condition {name!r}. It has: {known}.")
    box = slices(place, [FINE] * (place.count(",") + 1), "stitch.regions", FINE)
    return Region(
        name, columns[name].parse(value), [(one.start / FINE, one.stop / FINE) for one in box]
    )


def bump(x: Tensor, box: list[tuple[float, float]], soft: float) -> Tensor:
    """``[...]``, broadcasts to ``x``: one in the box of shares of the last axes, and falling to zero
    around it over the share ``soft``.
    """
    axes = x.ndim - 2
    if len(box) > axes:
        raise UsageError(
            f"stitch.regions names {len(box)} axes, and an example has {axes} after its channels."
        )
    weight = x.new_ones((1,) * x.ndim)
    for axis, (low, high) in enumerate(box, x.ndim - len(box)):
        n = x.shape[axis]
        at = (torch.arange(n, device=x.device, dtype=x.dtype) + 0.5) / n
        outside = torch.maximum(low - at, at - high).clamp_min(0)
        along = (1 - outside / soft).clamp_min(0) if soft else (outside == 0).to(x.dtype)
        weight = weight * along.reshape(-1, *(1,) * (x.ndim - 1 - axis))
    return weight
