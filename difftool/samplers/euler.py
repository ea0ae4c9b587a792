"""Euler's method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..landing import lands, to_next
from ..sampler import Denoise, Noise, Step
from .order import order


def euler_step(x: Tensor, x0: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """x + (sigma_next - sigma) d with d = dx/dsigma = (x - x0) / sigma.

    The result lies on the straight line through ``x`` and ``x0``.
    """
    return torch.lerp(x0, x, sigma_next / sigma)


@lands(to_next)
@order(1)
def euler(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """Euler's method for the probability-flow ODE   (Karras et al. 2022, arXiv:2206.00364, Eq. 4).

    It is the same as DDIM without noise.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = euler_step(x, x0, sigma, sigma_next)
        yield Step(i, sigma_next, x, x0)
