"""PNDM: a linear multistep method for eps, with DDIM's transfer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .order import order

# Number of estimates of eps -> their Adams-Bashforth weights, newest first.
ADAMS_BASHFORTH = {
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


@order(2)
def pndm(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """Pseudo linear multistep   (Liu et al. 2022, arXiv:2202.09778).

    The first step is one of the improved Euler method.

    eps = (x - D(x; sigma)) / sigma is dx/dsigma, and DDIM's transfer of x by eps is an Euler step.
    The weights assume equal steps in time, while the transfer uses the actual steps in sigma: the
    method is of second order, as in the paper.
    """
    past: deque[Tensor] = deque(maxlen=4)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        h = sigma_next - sigma
        x0 = denoise(x, sigma)
        eps = (x - x0).div_(sigma)
        past.appendleft(eps)
        weights = ADAMS_BASHFORTH[len(past)]
        if i == 0 and sigma_next > 0:
            # eps_2 = (x_1 - D(x_1; sigma_next)) / sigma_next
            # x     = x + h (eps + eps_2) / 2
            x_1 = euler_step(x, x0, sigma, sigma_next)
            x0 = denoise(x_1, sigma_next)
            x = x.add(eps, alpha=h / 2).add_(x_1 - x0, alpha=h / (2 * sigma_next))
        else:
            # x = x + h (w_0 eps_i + w_1 eps_(i-1) + w_2 eps_(i-2) + w_3 eps_(i-3))
            x = x.add(eps, alpha=h * weights[0])
            for earlier, weight in zip(list(past)[1:], weights[1:], strict=True):
                x.add_(earlier, alpha=h * weight)
        yield Step(i, sigma_next, x, x0)
