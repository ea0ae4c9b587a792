"""Runge's and Kutta's fourth-order method for the probability-flow ODE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .order import order


def slope(x: Tensor, x0: Tensor, sigma: float) -> Tensor:
    """dx/dsigma = (x - D(x; sigma)) / sigma = eps.

    Karras et al. 2022, arXiv:2206.00364, Eq. 4.
    """
    return (x - x0).div_(sigma)


def rk4_step(
    denoise: Denoise, x: Tensor, x0: Tensor, sigma: float, sigma_next: float
) -> tuple[Tensor, Tensor]:
    """One step of the classical method, and its last estimate of x0.

    Kutta 1901, Z. Math. Phys. 46, p. 443; Hairer et al. 1993, Solving ODEs I, Table II.1.2.
    """
    h, middle = sigma_next - sigma, (sigma + sigma_next) / 2
    k_1 = slope(x, x0, sigma)
    x_2 = x.add(k_1, alpha=h / 2)
    k_2 = slope(x_2, denoise(x_2, middle), middle)
    x_3 = x.add(k_2, alpha=h / 2)
    k_3 = slope(x_3, denoise(x_3, middle), middle)
    x_4 = x.add(k_3, alpha=h)
    x0 = denoise(x_4, sigma_next)
    k_4 = slope(x_4, x0, sigma_next)
    # x = x + h (k_1 + 2 k_2 + 2 k_3 + k_4) / 6
    return x.add(k_1 + 2 * k_2 + 2 * k_3 + k_4, alpha=h / 6), x0


@order(4)
def rk4(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """The classical method of fourth order. Four evaluations a step, one for the step to 0.

    The step to 0 is Euler's, because the slope at sigma = 0 is not defined.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        if sigma_next > 0:
            x, x0 = rk4_step(denoise, x, x0, sigma, sigma_next)
        else:
            x = euler_step(x, x0, sigma, sigma_next)
        yield Step(i, sigma_next, x, x0)
