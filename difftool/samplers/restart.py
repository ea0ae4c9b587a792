"""Restart: noise goes back up several times, and an ODE solver comes down again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .heun import heun
from .interval import parts
from .order import order

RHO = 7.0
"""Spacing of the levels within a restart, as in the paper   (Karras et al. 2022, Eq. 5)."""


@order(0, pathwise=False)
def restart(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    restarts: int = 2,
    restart_steps: int = 3,
    low: float = 0.06,
    high: float = 0.3,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Restart sampling   (Xu et al. 2023, arXiv:2306.14878, Alg. 2), with Heun's method.

    Two evaluations a step, and two for each of the ``restarts`` times ``restart_steps`` steps.
    Where the solver passes ``low``, noise takes x back to ``high``, and the solver comes down
    again. The noise of each restart is drawn for a part of the step's interval, since restarts
    cross the same levels again.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x, x0 = _solved(denoise, x, [sigma, sigma_next], noise)
        top = min(high, sigmas[0])
        if sigma > low >= sigma_next and top > sigma_next:
            for part in parts(sigma, sigma_next, restarts) if restarts else []:
                # x = x + sqrt(t_max^2 - t_min^2) S_noise eps
                x = x.add(noise(*part), alpha=s_noise * math.sqrt(top**2 - sigma_next**2))
                x, x0 = _solved(denoise, x, levels(top, sigma_next, restart_steps), noise)
        yield Step(i, sigma_next, x, x0)


def _solved(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise
) -> tuple[Tensor, Tensor]:
    """x at the last level by Heun's method, and the last estimate of x0."""
    *_, last = heun(denoise, x, sigmas, noise)
    return last.x, last.x0


def levels(high: float, low: float, n: int) -> list[float]:
    """n + 1 levels that are linear in sigma^(1 / rho)   (Karras et al. 2022, Eq. 5)."""
    first, last = high ** (1 / RHO), low ** (1 / RHO)
    inner = [(first + i / n * (last - first)) ** RHO for i in range(1, n)]
    return [high, *inner, low]
