"""Euler's method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .order import order
from .step import Denoise, Noise, Step


def line(x: Tensor, x0: Tensor, sigma: float, to: float) -> Tensor:
    """Euler's step dx/dsigma = (x - x0) / sigma from ``sigma`` to ``to``: a point on the straight line through ``x`` and ``x0``."""
    return torch.lerp(x0, x, to / sigma)


@order(1)
def euler(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """The probability-flow ODE by Euler's method   (Karras et al. 2022, arXiv:2206.00364, Eq. 4); DDIM without noise is the same."""
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = line(x, x0, sigma, to)
        yield Step(i, to, x, x0)
