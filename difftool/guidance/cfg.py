"""Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598)."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import pairwise

import torch
from torch import Tensor

from ..denoiser import Cond, D
from ..sampler import Denoise
from ..shapes import expand_as
from .bind import bind
from .clip import clipped
from .guidance import Guidance
from .interval import within
from .options import GuidanceOptions
from .pair import pair, unconditional


class ClassifierFree(Guidance):
    """Away from the unconditional estimate, towards the conditional one, in an interval of levels;
    then clipped.
    """

    options: GuidanceOptions

    def __init__(self, options: GuidanceOptions | None = None) -> None:
        super().__init__(options or GuidanceOptions())
        self.limited = self.options.clip == "auto"

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        options, clip = self.options, self.options.clip
        denoise = (
            separate(denoiser, cond, mask, options, kept)
            if options.scales
            else classifier_free(
                denoiser, cond, mask, options.scale, options.rescale, kept, options.growth
            )
        )
        if options.low > 0 or options.high is not None:
            denoise = within(denoise, bind(denoiser, cond, mask), options.low, options.high)
        return denoise if clip == "auto" or clip == 0 else clipped(denoise, clip)


def classifier_free(
    denoiser: D,
    cond: Cond,
    mask: Tensor | None = None,
    scale: float = 1.0,
    rescale: float = 0.0,
    kept: Collection[str] = (),
    growth: str = "constant",
) -> Denoise:
    """x0(null) + scale * (x0(cond) - x0(null))   (Ho & Salimans 2022, arXiv:2207.12598, Eq. 6),
    both in one batch.

    One evaluation of half the size where that is enough: at scale 1, at scale 0, and where nothing
    is given.

    Args:
        kept: conditions that are given to both.
        growth: how the scale grows from noise to data; see ``growing``.
    """
    both = None if scale == 1 else pair(denoiser, cond, mask, kept)
    if both is None:
        return bind(denoiser, cond, mask)
    if scale == 0:
        return bind(denoiser, unconditional(denoiser, cond, kept), mask)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        given, free = both(x, sigma)
        guided = torch.lerp(free, given, growing(scale, growth, sigma))
        return guided * _regain(guided, given, mask, rescale) if rescale > 0 else guided

    return denoise


def separate(
    denoiser: D,
    cond: Cond,
    mask: Tensor | None,
    options: GuidanceOptions,
    kept: Collection[str] = (),
) -> Denoise:
    """D(0) + s_1 (D(c_1) - D(0)) + s_2 (D(c_1, c_2) - D(c_1)) + ...

    Brooks et al. 2023, arXiv:2211.09800, Eq. 3. Each condition is added to those before it: first
    those of the common scale, then the others in the order of ``options.scales``. Equal scales are
    classifier-free guidance, and estimates that do not count are not computed.
    """
    null = unconditional(denoiser, cond, kept)
    own = [name for name in options.scales if name in null and name not in kept]
    common = [name for name in null if name not in own and name not in kept]
    groups = [(common, options.scale), *(([name], options.scales[name]) for name in own)]
    conds, scales = [null], list[float]()
    for names, scale in groups:
        more = {name: cond[name] for name in names if not _same(cond[name], null[name])}
        if more:
            conds.append({**conds[-1], **more})
            scales.append(scale)

    def shares(sigma: float) -> list[float]:
        """What each estimate counts; they sum to 1."""
        grown = [growing(scale, options.growth, sigma) for scale in scales]
        return [1 - grown[0], *(a - b for a, b in pairwise(grown)), grown[-1]]

    if not scales:
        return bind(denoiser, cond, mask)
    used = [
        place
        for place, share in enumerate(shares(1.0))
        if share or options.growth != "constant" or (place == len(scales) and options.rescale)
    ]
    n = len(used)
    several = bind(
        denoiser,
        {name: torch.cat([conds[place][name] for place in used]) for name in null},
        mask if mask is None or len(mask) == 1 else torch.cat([mask] * n),
    )

    def denoise(x: Tensor, sigma: float) -> Tensor:
        estimates, count = several(torch.cat([x] * n), sigma).chunk(n), shares(sigma)
        guided = sum(
            (count[place] * one for place, one in zip(used, estimates, strict=True)),
            torch.zeros_like(estimates[0]),
        )
        if options.rescale > 0:
            return guided * _regain(guided, estimates[-1], mask, options.rescale)
        return guided

    return denoise


def growing(scale: float, growth: str, sigma: float) -> float:
    """The scale at a noise level: it grows from 1 at noise, and its mean over flow time is
    ``scale``.

    Wang et al. 2024, arXiv:2404.13040, Sec. 4, where 1 / (1 + sigma) is one less flow time.
    """
    clean = 1 / (1 + sigma)
    if growth == "linear":
        return 1 + (scale - 1) * 2 * clean
    if growth == "cosine":
        return 1 + (scale - 1) * (1 - math.cos(math.pi * clean))
    return scale


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)


def _regain(guided: Tensor, given: Tensor, mask: Tensor | None, rescale: float) -> Tensor:
    """Factor ``[b, 1 ...]`` that brings the spread back to the conditional estimate's.

    Lin et al. 2024, arXiv:2305.08891, Eq. 15-16.
    """
    ratio = _std(given, mask) / _std(guided, mask).clamp_min(torch.finfo(guided.dtype).tiny)
    return expand_as(1 + rescale * (ratio - 1), guided)


def _std(x: Tensor, mask: Tensor | None) -> Tensor:
    """``[b, ...] -> [b]``, the standard deviation over each example's real entries."""
    if mask is None:
        return x.flatten(1).std(1, correction=0)
    kept = mask.to(x.dtype).expand_as(x).flatten(1)
    count, x = kept.sum(1, keepdim=True), x.flatten(1)
    deviation = (x - (x * kept).sum(1, keepdim=True) / count) * kept
    return (deviation.square().sum(1) / count.squeeze(1)).sqrt()
