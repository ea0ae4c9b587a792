"""DEIS: an exponential integrator with a polynomial in time for eps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .multistep import adams, combined
from .order import order
from .runge_kutta import slope

BETA_0, BETA_1 = 0.1, 20.0
"""The variance-preserving diffusion of the paper   (Song et al. 2021, arXiv:2011.13456, App. C)."""


def vp_time(sigma: np.ndarray) -> np.ndarray:
    """t with ln(1 + sigma^2) = beta_0 t + (beta_1 - beta_0) t^2 / 2."""
    growth = BETA_1 - BETA_0
    return (np.sqrt(BETA_0**2 + 2 * growth * np.log1p(sigma**2)) - BETA_0) / growth


def vp_slope(t: np.ndarray) -> np.ndarray:
    """dsigma/dt at the time t."""
    exponent = BETA_0 * t + (BETA_1 - BETA_0) * t**2 / 2
    rate = BETA_0 + (BETA_1 - BETA_0) * t
    return rate * np.exp(exponent) / (2 * np.sqrt(np.expm1(exponent)))


TIMES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "vp": (vp_time, vp_slope),
    "log": (np.log, np.exp),
}
"""The variable of the polynomial: time as a function of sigma, and dsigma/dt."""


@order(2)
def deis(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    degree: int = 3,
    time: str = "vp",
) -> Iterator[Step]:
    """tAB-DEIS   (Zhang & Chen 2023, arXiv:2204.13902, Eq. 14 and 15).

    One evaluation a step. x_next = x + sum_j C_j eps_j, where C_j is the integral of dsigma times
    the Lagrange polynomial in t through the last ``degree + 1`` levels. The first steps have fewer
    levels, which limits the whole to second order; the step to 0 is Euler's.
    """
    clock, pace = TIMES[time]
    past: deque[tuple[float, Tensor]] = deque(maxlen=degree + 1)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        past.appendleft((float(clock(np.array(sigma))), slope(x, x0, sigma)))
        if sigma_next > 0:
            end = float(clock(np.array(sigma_next)))
            weights = adams([t for t, _ in past], past[0][0], end, pace)
            x = combined(x, [eps for _, eps in past], weights)
        else:
            x = euler_step(x, x0, sigma, sigma_next)
        yield Step(i, sigma_next, x, x0)
