"""PNDM with its Runge-Kutta warm-up: pseudo linear multistep."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .multistep import combined
from .order import order
from .pndm import ADAMS_BASHFORTH
from .runge_kutta import rk4_step, slope

WARM_UP = 3
"""Steps of the pseudo Runge-Kutta method, which the multistep method needs to begin with."""


@order(2)
def plms(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """PNDM   (Liu et al. 2022, arXiv:2202.09778, Alg. 2).

    The first three steps are pseudo Runge-Kutta steps (Eq. 13) of four evaluations, the others
    pseudo linear multistep steps (Eq. 12) of one. DDIM's transfer of x by eps is an Euler step in
    sigma, so Eq. 13 is the classical method; its middle is that of the two noise levels.
    """
    past: deque[Tensor] = deque(maxlen=4)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        h = sigma_next - sigma
        x0 = denoise(x, sigma)
        past.appendleft(slope(x, x0, sigma))
        if i < WARM_UP and sigma_next > 0:
            x, x0 = rk4_step(denoise, x, x0, sigma, sigma_next)
        else:
            x = combined(x, past, [h * weight for weight in ADAMS_BASHFORTH[len(past)]])
        yield Step(i, sigma_next, x, x0)
