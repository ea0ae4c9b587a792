"""The noise from which Euler's method makes an example."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from ..edit import Edit, Given, Start
from ..sampler import Denoise
from .options import InversionOptions


def inverted(denoise: Denoise, x0: Tensor, sigmas: Sequence[float], iterations: int) -> Tensor:
    """x at the first noise level, from which Euler's method (DDIM without noise) returns ``x0``.

    A step of Euler's method from sigma to s is x_s = x + (s - sigma) d(x), with
    d(x) = (x - D(x; sigma)) / sigma (Song et al. 2020, arXiv:2010.02502, Eq. 13). Solved for x by
    the fixed point x <- x_s + (sigma - s) d(x), which converges since the factor 1 - s / sigma is
    below one (Pan et al. 2023, arXiv:2309.04907, Sec. 3.2). At the lowest level above 0 the example
    is taken to be x itself.

    Args:
        sigmas: from the largest to 0.
        iterations: evaluations of D for each step.
    """
    x = x0
    for sigma, lower in reversed(list(pairwise(level for level in sigmas if level > 0))):
        start = x
        for _ in range(iterations):
            x = start + (sigma - lower) * (x - denoise(x, sigma)) / sigma
    return x


class Invert(Edit):
    """The example's own noise, from which it is made again, under other conditions if asked."""

    options: InversionOptions
    sampler = "euler"
    results = 1

    def start(self, given: Given) -> Start:
        x = inverted(given.describe, given.x, given.sigmas, self.options.iterations)
        return Start(x, given.sigmas)
