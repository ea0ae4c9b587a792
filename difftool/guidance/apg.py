"""Adaptive projected guidance: guidance at right angles to the estimate does not saturate it."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from ..denoiser import Cond, D
from ..sampler import Denoise
from ..shapes import expand_as, mean_per_example
from .bind import bind
from .guidance import Guidance
from .options import ApgOptions
from .pair import pair


class Projected(Guidance):
    """D(cond) + (scale - 1) (d_orthogonal + parallel d_parallel), with d = D(cond) - D(null).

    Sadat et al. 2024, arXiv:2410.02416, Eq. 6 to 10, Alg. 1: d has momentum, is shortened to
    ``norm``, and is split along D(cond).
    """

    options: ApgOptions

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        options = self.options
        both = None if options.scale == 1 else pair(denoiser, cond, mask, kept)
        if both is None:
            return bind(denoiser, cond, mask)
        momentum = Momentum(options.momentum)

        def denoise(x: Tensor, sigma: float) -> Tensor:
            given, free = both(x, sigma)
            d = shortened(momentum(given - free, sigma), options.norm, mask)
            along = projected(d, given)
            d = d + (options.parallel - 1) * along
            return given + (options.scale - 1) * d

        return denoise


class Momentum:
    """The running sum d + momentum * (the sum at the level before), along falling levels.

    A second evaluation at one level continues from the level before as well; a higher level begins
    anew.
    """

    def __init__(self, momentum: float) -> None:
        self._momentum = momentum
        self._before: tuple[float, Tensor] | None = None
        self._last: tuple[float, Tensor] | None = None

    def __call__(self, d: Tensor, sigma: float) -> Tensor:
        if self._last is not None and sigma < self._last[0]:
            self._before = self._last
        elif self._before is not None and sigma >= self._before[0]:
            self._before = None
        if self._before is not None and sigma < self._before[0]:
            d = d + self._momentum * self._before[1]
        self._last = sigma, d
        return d


def shortened(d: Tensor, norm: float, mask: Tensor | None = None) -> Tensor:
    """``d`` with each example's root mean square at most ``norm``; 0 leaves it."""
    if norm == 0:
        return d
    square = mean_per_example(d.square())
    if mask is not None:  # padding is zero, and does not count
        square = square / mean_per_example(mask.to(d.dtype).expand_as(d))
    return d * expand_as((norm / square.sqrt().clamp_min(norm)), d)


def projected(d: Tensor, x0: Tensor) -> Tensor:
    """The part of ``d`` along ``x0``, in each example; zero where ``x0`` is."""
    along = (d * x0).flatten(1).sum(1)
    square = x0.square().flatten(1).sum(1)
    return x0 * expand_as(torch.where(square > 0, along / square, 0.0), x0)
