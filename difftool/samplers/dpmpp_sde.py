"""SDE-DPM-Solver++ with a second evaluation in the middle of each step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .multistep import logarithm
from .order import order


@order(2)
def dpmpp_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """DPM-Solver++(2S) for the reverse diffusion   (Crowson, k-diffusion).

    Two evaluations a step, one for the step to 0. The exponential integrator is that of
    Lu et al. 2022, arXiv:2211.01095, App. B, with the estimate in the middle of the step. Its noise
    is drawn in two parts, and the step ends on the path that its middle lies on: the first part
    decays by e^(-(1 + eta) h / 2) on the way.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        if sigma_next == 0:
            yield Step(i, sigma_next, x0.clone(), x0)
            continue
        h, s = logarithm(sigma, sigma_next), math.sqrt(sigma * sigma_next)
        decay = math.exp(-(1 + eta) * h / 2)
        spread = s_noise * math.sqrt(-math.expm1(-eta * h))  # of half a step's noise, over sigma
        # u = e^(-(1 + eta) h / 2) x + (1 - e^(-(1 + eta) h / 2)) D(x; sigma) + z_1
        u = torch.lerp(x0, x, decay)
        if eta > 0:
            z_1 = noise(sigma, s)
            u.add_(z_1, alpha=s * spread)
        x0 = denoise(u, s)
        # x = e^(-(1 + eta) h) x + (1 - e^(-(1 + eta) h)) D(u; s) + e^(-(1 + eta) h / 2) z_1 + z_2
        x = torch.lerp(x0, x, decay**2)
        if eta > 0:
            x.add_(z_1, alpha=decay * s * spread)
            x.add_(noise(s, sigma_next), alpha=sigma_next * spread)
        yield Step(i, sigma_next, x, x0)
