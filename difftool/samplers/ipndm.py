"""iPNDM: PNDM that starts with lower orders."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .multistep import combined
from .order import order
from .pndm import ADAMS_BASHFORTH
from .runge_kutta import slope


@order(2)
def ipndm(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """Improved PNDM   (Zhang & Chen 2023, arXiv:2204.13902, App. H.2). One evaluation a step.

    The first steps are of the orders 1, 2 and 3, in place of a warm-up. The weights assume equal
    steps in time, as in PNDM.
    """
    past: deque[Tensor] = deque(maxlen=4)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        past.appendleft(slope(x, x0, sigma))
        # x = x + h (w_0 eps_i + w_1 eps_(i-1) + w_2 eps_(i-2) + w_3 eps_(i-3))
        h = sigma_next - sigma
        x = combined(x, past, [h * weight for weight in ADAMS_BASHFORTH[len(past)]])
        yield Step(i, sigma_next, x, x0)
