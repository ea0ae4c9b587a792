"""Dynamic thresholding: estimates that leave the range of the data are brought back as a whole."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

import torch
from torch import Tensor

from ..context import Context
from ..denoiser import Cond, D
from ..sampler import Denoise
from ..shapes import expand_as
from ..space import Space
from .bind import bind
from .guidance import Guidance
from .options import ThresholdOptions


class Thresholded(Guidance):
    """x0 clamped to [-s, s] and divided by s / bound, with s the percentile of |x0|.

    Saharia et al. 2022, arXiv:2205.11487, Sec. 2.3. Where s is below the bound, nothing changes.
    """

    options: ThresholdOptions

    def __init__(self, options: ThresholdOptions, space: Space | None = None) -> None:
        super().__init__(options)
        self._space = space

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        representation = context.representation
        return cls(options, None if representation is None else representation.space)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        model, bound = bind(denoiser, cond, mask), self.options.bound

        def denoise(x: Tensor, sigma: float) -> Tensor:
            x0 = model(x, sigma)
            s = percentile(x0.abs(), self.options.percentile, mask).clamp_min(bound)
            s = expand_as(s, x0)
            x0 = torch.maximum(torch.minimum(x0, s), -s) * (bound / s)
            return x0 if self._space is None else self._space.project(x0, mask)

        return denoise


def percentile(x: Tensor, share: float, mask: Tensor | None = None) -> Tensor:
    """``[b, ...] -> [b]``: the value below which a share of each example's real entries lie."""
    if mask is not None:
        x = torch.where(mask.expand_as(x), x, -torch.inf)  # padding comes first
    ordered = x.flatten(1).sort(1).values
    padding = ordered.isinf().sum(1)
    place = padding + share * (ordered.shape[1] - 1 - padding)
    low = place.floor().long()
    high = (low + 1).clamp_max(ordered.shape[1] - 1)
    ends = ordered.gather(1, torch.stack([low, high], 1))
    return torch.lerp(ends[:, 0], ends[:, 1], (place - low).to(x.dtype))
