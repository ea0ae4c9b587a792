"""Linear multistep: the Adams-Bashforth method on levels that are not evenly spaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .multistep import adams, combined
from .order import order
from .runge_kutta import slope


@order(2)
def lms(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, order: int = 4
) -> Iterator[Step]:
    """Linear multistep   (Crowson, k-diffusion; Hairer et al. 1993, Solving ODEs I, Eq. III.5.1).

    One evaluation a step. The polynomial in sigma through the last ``order`` slopes is integrated
    exactly. The first steps have fewer slopes, which limits the whole to second order.
    """
    past: deque[tuple[float, Tensor]] = deque(maxlen=order)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        past.appendleft((sigma, slope(x, x0, sigma)))
        weights = adams([level for level, _ in past], sigma, sigma_next, np.ones_like)
        x = combined(x, [eps for _, eps in past], weights)
        yield Step(i, sigma_next, x, x0)
