"""EDM's sampler: Heun's second-order method, with churn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .order import order


@order(2)
def heun(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    s_churn: float = 0.0,
    s_min: float = 0.0,
    s_max: float | None = None,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Karras et al. 2022, arXiv:2206.00364, Alg. 1 (without churn) and Alg. 2.

    Two evaluations a step, one for the step to 0. Churn draws the noise of the step's interval,
    because the intervals from sigma to sigma_hat overlap and those of the steps do not.
    """
    churn = min(s_churn / max(len(sigmas) - 1, 1), math.sqrt(2) - 1)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        gamma = churn if s_min <= sigma and (s_max is None or sigma <= s_max) else 0.0
        sigma_hat, x_hat = sigma * (1 + gamma), x
        if gamma > 0:
            x_hat = x.add(
                noise(sigma, sigma_next), alpha=s_noise * math.sqrt(sigma_hat**2 - sigma**2)
            )
        x0 = denoise(x_hat, sigma_hat)
        x = euler_step(x_hat, x0, sigma_hat, sigma_next)
        if sigma_next > 0:
            # d  = (x_hat - D(x_hat; sigma_hat)) / sigma_hat, the slope of the Euler step above
            # d' = (x - D(x; sigma_next)) / sigma_next
            # x  = x_hat + (sigma_next - sigma_hat) (d + d') / 2; the lerp adds the half with d
            x0 = denoise(x, sigma_next)
            x = torch.lerp(x_hat, x, 0.5).add_(
                x - x0, alpha=(sigma_next - sigma_hat) / (2 * sigma_next)
            )
        yield Step(i, sigma_next, x, x0)
