"""PNDM: a linear multistep method for eps, with DDIM's transfer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from .euler import line
from .order import order
from .step import Denoise, Noise, Step

# Adams-Bashforth weights of the newest estimates of eps, newest first, for as many as there are.
ADAMS_BASHFORTH = {
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


@order(2)
def pndm(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """Pseudo linear multistep   (Liu et al. 2022, arXiv:2202.09778), started with one step of the improved Euler method.

    The weights take steps to be equal in time and the transfer takes them as they are in sigma: second order, as in the paper.
    """
    slopes: deque[Tensor] = deque(maxlen=4)
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        slopes.appendleft((x - x0).div_(sigma))
        weights = ADAMS_BASHFORTH[len(slopes)]
        if i == 0 and to > 0:
            ahead = line(x, x0, sigma, to)
            x0 = denoise(ahead, to)
            x = x.add(slopes[0], alpha=(to - sigma) / 2).add_(ahead - x0, alpha=(to - sigma) / (2 * to))
        else:
            x = x.add(slopes[0], alpha=(to - sigma) * weights[0])
            for slope, weight in zip(list(slopes)[1:], weights[1:], strict=True):
                x.add_(slope, alpha=(to - sigma) * weight)
        yield Step(i, to, x, x0)
