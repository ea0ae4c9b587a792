"""DPM-Solver++(2S): a second evaluation in the middle of each step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .ancestral import posterior_std
from .euler import euler_step
from .order import order


@order(2)
def dpmpp_2s(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM-Solver++(2S)   (Lu et al. 2022, arXiv:2211.01095, Alg. 1, r = 1/2).

    Two evaluations a step, one for the step to 0. With ``eta`` it goes to a level below the next
    one, and noise goes back up to it, as in ancestral sampling (Crowson, k-diffusion).
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        sigma_up = eta * posterior_std(sigma, sigma_next)
        sigma_down = math.sqrt(max(sigma_next**2 - sigma_up**2, 0.0))
        if sigma_down > 0:
            s = math.sqrt(sigma * sigma_down)
            # u = s / sigma x - (e^(-h/2) - 1) D(x; sigma): Euler's step to the middle
            x0 = denoise(euler_step(x, x0, sigma, s), s)
        # x = sigma_down / sigma x - (e^(-h) - 1) D(u; s)
        x = euler_step(x, x0, sigma, sigma_down)
        if sigma_up > 0:
            x.add_(noise(sigma, sigma_next), alpha=sigma_up * s_noise)
        yield Step(i, sigma_next, x, x0)
