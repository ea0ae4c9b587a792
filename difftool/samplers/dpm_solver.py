"""DPM-Solver: exponential integrators for eps, of the orders 1 to 3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .multistep import logarithm
from .order import order
from .runge_kutta import slope


@order("order")
def dpm_solver(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, order: int = 3
) -> Iterator[Step]:
    """DPM-Solver, singlestep   (Lu et al. 2022, arXiv:2206.00927, Eq. 3.7, Alg. 1 and Alg. 2).

    ``order`` evaluations a step, one for the step to 0, which is infinitely long and of first
    order. Divided by alpha, the paper's sigma (e^h - 1) is the difference of the noise levels.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        if order == 1 or sigma_next == 0:
            x = euler_step(x, x0, sigma, sigma_next)
        elif order == 2:
            x, x0 = second(denoise, x, x0, sigma, sigma_next)
        else:
            x, x0 = third(denoise, x, x0, sigma, sigma_next)
        yield Step(i, sigma_next, x, x0)


def second(
    denoise: Denoise, x: Tensor, x0: Tensor, sigma: float, sigma_next: float
) -> tuple[Tensor, Tensor]:
    """Alg. 1 (DPM-Solver-2): the slope in the middle of the step in log-SNR."""
    s = math.sqrt(sigma * sigma_next)
    u = euler_step(x, x0, sigma, s)
    x0_u = denoise(u, s)
    # x = x - sigma_next (e^h - 1) eps(u; s)
    return x.add(slope(u, x0_u, s), alpha=sigma_next - sigma), x0_u


def third(
    denoise: Denoise, x: Tensor, x0: Tensor, sigma: float, sigma_next: float
) -> tuple[Tensor, Tensor]:
    """Alg. 2 (DPM-Solver-3), with r_1 = 1/3 and r_2 = 2/3."""
    h, r_1, r_2 = logarithm(sigma, sigma_next), 1 / 3, 2 / 3
    s_1, s_2 = sigma * math.exp(-r_1 * h), sigma * math.exp(-r_2 * h)
    eps = slope(x, x0, sigma)
    # u_1 = x - s_1 (e^(r_1 h) - 1) eps
    u_1 = x.add(eps, alpha=s_1 - sigma)
    d_1 = slope(u_1, denoise(u_1, s_1), s_1).sub_(eps)
    # u_2 = x - s_2 (e^(r_2 h) - 1) eps - s_2 r_2 / r_1 ((e^(r_2 h) - 1) / (r_2 h) - 1) D_1
    u_2 = x.add(eps, alpha=s_2 - sigma).add_(
        d_1, alpha=-s_2 * r_2 / r_1 * (math.expm1(r_2 * h) / (r_2 * h) - 1)
    )
    x0 = denoise(u_2, s_2)
    d_2 = slope(u_2, x0, s_2).sub_(eps)
    # x = x - sigma_next (e^h - 1) eps - sigma_next / r_2 ((e^h - 1) / h - 1) D_2
    x = x.add(eps, alpha=sigma_next - sigma)
    return x.add_(d_2, alpha=-sigma_next / r_2 * (math.expm1(h) / h - 1)), x0
