"""EDM's sampler: Heun's second-order method, with churn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .euler import line
from .order import order
from .step import Denoise, Noise, Step


@order(2)
def heun(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    s_churn: float = 0.0,
    s_min: float = 0.0,
    s_max: float | None = None,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Karras et al. 2022, arXiv:2206.00364, Alg. 1 (no churn) and Alg. 2. Two evaluations a step, one for the step to 0."""
    gamma = min(s_churn / max(len(sigmas) - 1, 1), math.sqrt(2) - 1)
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        if gamma > 0 and s_min <= sigma and (s_max is None or sigma <= s_max):
            hat = sigma * (1 + gamma)
            x = x.add(noise(), alpha=s_noise * math.sqrt(hat**2 - sigma**2))
            sigma = hat
        x0 = denoise(x, sigma)
        euler = line(x, x0, sigma, to)
        if to > 0:  # half a step along the first slope, half along the slope at its end
            x0 = denoise(euler, to)
            x = torch.lerp(x, euler, 0.5).add_(euler - x0, alpha=(to - sigma) / (2 * to))
        else:
            x = euler
        yield Step(i, to, x, x0)
