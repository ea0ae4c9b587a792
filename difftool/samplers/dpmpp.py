"""DPM-Solver++: exponential integrators, which are exact except for D."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .order import order


@order(2)
def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """DPM-Solver++(2M)   (Lu et al. 2022, arXiv:2211.01095, Alg. 2). One evaluation a step."""
    return dpmpp_2m_sde(denoise, x, sigmas, noise, eta=0.0)


@order(2)
def dpmpp_2m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """SDE-DPM-Solver++(2M), midpoint   (Lu et al. 2022, arXiv:2211.01095, App. B).

    With h = ln(sigma / sigma_next), exp(-h) = sigma_next / sigma. The first step has no past, and
    the step to 0 is infinitely long: these two are of first order, as in the paper.
    """
    x0_past, h_past = None, 0.0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        h = math.log(sigma / sigma_next) if sigma_next > 0 else math.inf
        # d = (1 + 1 / 2r) x0 - (1 / 2r) x0_past with r = h_past / h: D extrapolated half a step
        # ahead
        d = (
            x0
            if x0_past is None or sigma_next == 0
            else torch.lerp(x0_past, x0, 1 + h / (2 * h_past))
        )
        # x = exp(-(1 + eta) h) x + (1 - exp(-(1 + eta) h)) d + sigma_next sqrt(1 - exp(-2 eta h)) z
        x = torch.lerp(d, x, math.exp(-(1 + eta) * h))
        if eta > 0 and sigma_next > 0:
            x.add_(
                noise(sigma, sigma_next),
                alpha=s_noise * sigma_next * math.sqrt(-math.expm1(-2 * eta * h)),
            )
        x0_past, h_past = x0, h
        yield Step(i, sigma_next, x, x0)
