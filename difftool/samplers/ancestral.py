"""Ancestral samplers: each step removes noise and adds some back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import UsageError
from ..sampler import Denoise, Noise, Step, Uncertain
from .euler import euler_step
from .order import order


def posterior_std(sigma: float, sigma_next: float) -> float:
    """Standard deviation of x at ``sigma_next``, given x at ``sigma`` and x0.

    Ho et al. 2020, arXiv:2006.11239, Eq. 7, divided by a.
    """
    return sigma_next * math.sqrt(sigma**2 - sigma_next**2) / sigma


def ancestral_step(
    x: Tensor,
    x0: Tensor,
    sigma: float,
    sigma_next: float,
    eta: float,
    noise: Noise,
    s_noise: float = 1.0,
) -> Tensor:
    """An Euler step to a level below ``sigma_next``, then noise back up to it.

    Song et al. 2021, arXiv:2010.02502, Eq. 12 and 16.
    """
    sigma_up = eta * posterior_std(sigma, sigma_next)
    sigma_down = math.sqrt(max(sigma_next**2 - sigma_up**2, 0.0))
    x = euler_step(x, x0, sigma, sigma_down)
    return x.add_(noise(sigma, sigma_next), alpha=sigma_up * s_noise) if sigma_up > 0 else x


@order(1)
def ddim(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, eta: float = 0.0
) -> Iterator[Step]:
    """Song et al. 2021, arXiv:2010.02502, Eq. 12."""
    return euler_ancestral(denoise, x, sigmas, noise, eta=eta)


@order(1)
def euler_ancestral(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Euler's method to a level below the next one, then noise back up to it.

    Crowson, k-diffusion.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = ancestral_step(x, x0, sigma, sigma_next, eta, noise, s_noise)
        yield Step(i, sigma_next, x, x0)


@order(1)
def ddpm(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, variance: str = "small"
) -> Iterator[Step]:
    """Ho et al. 2020, arXiv:2006.11239, Alg. 2; the last step, to 0, adds no noise.

    The large variance is beta = 1 - a(sigma)^2 / a(sigma_next)^2 with a^2 = 1 / (1 + sigma^2).
    Divided by a(sigma_next)^2, it is (sigma^2 - sigma_next^2) (1 + sigma_next^2) / (1 + sigma^2).
    Learned variances lie between both (Nichol & Dhariwal 2021, arXiv:2102.09672, Eq. 15).

    Raises:
        UsageError: the model has no learned variances.
    """
    if variance == "learned" and not isinstance(denoise, Uncertain):
        raise UsageError(
            "The model has no learned variances. Set sampler.variance to small or large, or train "
            "one with --objective hybrid."
        )
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        small = posterior_std(sigma, sigma_next)
        large = math.sqrt((sigma**2 - sigma_next**2) * (1 + sigma_next**2) / (1 + sigma**2))
        if variance == "learned" and isinstance(denoise, Uncertain) and sigma_next > 0:
            std = small * (large / small) ** denoise.fraction()
            # the mean of the posterior, on the straight line from D to x
            x = torch.lerp(x0, x, (sigma_next / sigma) ** 2) + std * noise(sigma, sigma_next)
        else:
            s_noise = large / small if variance == "large" and sigma_next > 0 else 1.0
            x = ancestral_step(x, x0, sigma, sigma_next, 1.0, noise, s_noise)
        yield Step(i, sigma_next, x, x0)
