"""Guidance: from a Denoiser and its conditions to the ``denoise(x, sigma) -> x0`` that a sampler is given."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from .denoiser import Cond, D
from .sampler import Denoise
from .shapes import expand_as
from .space import Space


def guide(
    denoiser: D,
    cond: Cond,
    mask: Tensor | None = None,
    *,
    kept: Collection[str] = (),
    scale: float = 1.0,
    low: float = 0.0,
    high: float | None = None,
    rescale: float = 0.0,
    clip: float = 0.0,
) -> Denoise:
    """Everything the config table ``guidance`` says: ``guide(denoiser, cond, mask, **options.model_dump())``.

    Args:
        kept: conditions that guidance never takes away.
    """
    denoise = classifier_free(denoiser, cond, mask, scale, rescale, kept)
    if low > 0 or high is not None:
        denoise = within(denoise, bind(denoiser, cond, mask), low, high)
    return clipped(denoise, clip) if clip > 0 else denoise


def bind(denoiser: D, cond: Cond, mask: Tensor | None = None) -> Denoise:
    """The conditional model as it is; its conditions are encoded now, once for all evaluations."""
    signals = denoiser.signals(cond)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return denoiser(x, x.new_full((len(x),), sigma), signals, mask)

    return denoise


def classifier_free(
    denoiser: D, cond: Cond, mask: Tensor | None = None, scale: float = 1.0, rescale: float = 0.0, kept: Collection[str] = ()
) -> Denoise:
    """x0(null) + scale * (x0(cond) - x0(null))   (Ho & Salimans 2022, arXiv:2207.12598, Eq. 6), both in one batch.

    One evaluation of half the size where that is enough: at scale 1, at scale 0, and where nothing is given.

    Args:
        kept: conditions that are given to both.
    """
    null = denoiser.null(cond) | {name: cond[name] for name in kept}
    if scale == 1 or all(torch.allclose(cond[name], null[name], rtol=0, atol=0, equal_nan=True) for name in null):
        return bind(denoiser, cond, mask)
    if scale == 0:
        return bind(denoiser, null, mask)
    both = bind(denoiser, {name: torch.cat([cond[name], null[name]]) for name in null}, _twice(mask))

    def denoise(x: Tensor, sigma: float) -> Tensor:
        given, free = both(torch.cat([x, x]), sigma).chunk(2)
        guided = torch.lerp(free, given, scale)
        return guided.mul_(_regain(guided, given, mask, rescale)) if rescale > 0 else guided

    return denoise


def within(inside: Denoise, outside: Denoise, low: float = 0.0, high: float | None = None) -> Denoise:
    """``inside`` for low < sigma <= high, else ``outside``   (Kynkäänniemi et al. 2024, arXiv:2404.07724)."""

    def denoise(x: Tensor, sigma: float) -> Tensor:
        chosen = inside if low < sigma and (high is None or sigma <= high) else outside
        return chosen(x, sigma)

    return denoise


def below(denoise: Denoise, experts: Sequence[tuple[float, Denoise]]) -> Denoise:
    """``denoise``, or for sigma below an expert's level that expert   (Balaji et al. 2022, arXiv:2211.01324; Podell et al. 2023, arXiv:2307.01952).

    Args:
        experts: ``(level, denoise)``; of several whose level sigma is below, the one with the lowest.
    """
    turns = sorted(experts, key=lambda expert: expert[0])

    def serving(x: Tensor, sigma: float) -> Tensor:
        chosen = next((expert for level, expert in turns if sigma < level), denoise)
        return chosen(x, sigma)

    return serving


def clipped(denoise: Denoise, bound: float) -> Denoise:
    """Estimates clamped to [-bound, bound], where the data are known to lie   (Ho et al. 2020, arXiv:2006.11239)."""
    return lambda x, sigma: denoise(x, sigma).clamp(-bound, bound)


def keeping(denoise: Denoise, space: Space, x0: Tensor, known: Tensor, mask: Tensor | None = None, *, clean: bool = False) -> Denoise:
    """Estimates that are ``x0`` where that is known   (Song et al. 2021, arXiv:2011.13456, App. I.2).

    Args:
        clean: the network meets it without noise, as in its training.
    """

    def kept(x: Tensor) -> Tensor:
        return space.keep(x, x0, known, mask)

    return (lambda x, sigma: kept(denoise(kept(x), sigma))) if clean else (lambda x, sigma: kept(denoise(x, sigma)))


def _twice(mask: Tensor | None) -> Tensor | None:
    """The mask of a doubled batch; one that all examples share is left as it is."""
    return mask if mask is None or len(mask) == 1 else torch.cat([mask, mask])


def _regain(guided: Tensor, given: Tensor, mask: Tensor | None, rescale: float) -> Tensor:
    """Factor ``[b, 1 ...]`` that brings the spread back to the conditional estimate's   (Lin et al. 2024, arXiv:2305.08891, Eq. 15-16)."""
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
