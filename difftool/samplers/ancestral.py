"""Ancestral samplers: take some noise away, and put some back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from .euler import line
from .order import order
from .step import Denoise, Noise, Step


def posterior_std(sigma: float, to: float) -> float:
    """Spread of x at ``to`` given x at ``sigma`` and x0   (Ho et al. 2020, arXiv:2006.11239, Eq. 7, divided by a)."""
    return to * math.sqrt(sigma**2 - to**2) / sigma


def ancestral_step(x: Tensor, x0: Tensor, sigma: float, to: float, eta: float, noise: Noise, s_noise: float = 1.0) -> Tensor:
    """Down past ``to`` along the line to x0, then up to it with fresh noise   (Song et al. 2021, arXiv:2010.02502, Eq. 12 and 16)."""
    up = eta * posterior_std(sigma, to)
    x = line(x, x0, sigma, math.sqrt(max(to**2 - up**2, 0.0)))
    return x.add_(noise(), alpha=up * s_noise) if up > 0 else x


@order(1)
def ddim(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, eta: float = 0.0) -> Iterator[Step]:
    """Song et al. 2021, arXiv:2010.02502, Eq. 12."""
    return euler_ancestral(denoise, x, sigmas, noise, eta=eta)


@order(1)
def euler_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """Euler's method down to a lower level than asked for, then noise back up to it (Crowson, k-diffusion)."""
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = ancestral_step(x, x0, sigma, to, eta, noise, s_noise)
        yield Step(i, to, x, x0)


@order(1)
def ddpm(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, variance: str = "small") -> Iterator[Step]:
    """Ho et al. 2020, arXiv:2006.11239, Alg. 2; the last step, to 0, adds no noise.

    The large variance beta = 1 - a(sigma)^2 / a(to)^2 becomes, divided by a(to)^2, what (1 + to^2) / (1 + sigma^2) stands for.
    """
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        small = posterior_std(sigma, to)
        large = math.sqrt((sigma**2 - to**2) * (1 + to**2) / (1 + sigma**2))
        s_noise = large / small if variance == "large" and to > 0 else 1.0
        x = ancestral_step(x, x0, sigma, to, 1.0, noise, s_noise)
        yield Step(i, to, x, x0)
