"""DPM-Solver++: exponential integrators, exact in everything but D."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .order import order
from .step import Denoise, Noise, Step


@order(2)
def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """DPM-Solver++(2M)   (Lu et al. 2022, arXiv:2211.01095, Alg. 2): second order at one evaluation a step."""
    return dpmpp_2m_sde(denoise, x, sigmas, noise, eta=0.0)


@order(2)
def dpmpp_2m_sde(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """SDE-DPM-Solver++(2M), midpoint   (Lu et al. 2022, arXiv:2211.01095, App. B). With h = ln(sigma / to), exp(-h) = to / sigma.

    The first step has no past and the step to 0 is infinitely long: these two are of first order, as in the paper.
    """
    past, h_past = None, 0.0
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        h = math.log(sigma / to) if to > 0 else math.inf
        middle = x0 if past is None or to == 0 else torch.lerp(past, x0, 1 + h / (2 * h_past))  # D extrapolated half a step ahead
        x = torch.lerp(middle, x, math.exp(-(1 + eta) * h))
        if eta > 0 and to > 0:
            x.add_(noise(), alpha=s_noise * to * math.sqrt(-math.expm1(-2 * eta * h)))
        past, h_past = x0, h
        yield Step(i, to, x, x0)
