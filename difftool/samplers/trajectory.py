"""Samplers of models that learned whole steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..landing import lands, to_data
from ..sampler import Denoise, Noise, Step
from .order import order


def _below(sigma_next: float, gamma: float = 0.0, **knobs: Any) -> float:
    """Where a jump ends before noise of ``gamma sigma_next`` leads back up."""
    del knobs
    return sigma_next * math.sqrt(1 - gamma**2)


@lands(_below)
@order(None, pathwise=False)
def trajectory(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, gamma: float = 0.0
) -> Iterator[Step]:
    """Gamma-sampling of trajectory models   (Kim et al. 2024, arXiv:2310.02279, Alg. 3).

    Each step jumps to sqrt(1 - gamma^2) sigma_next and adds noise up to sigma_next. With gamma = 0
    it follows the trajectory; with gamma = 1 it is the multistep sampler of consistency models.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = torch.lerp(x0, x, _below(sigma_next, gamma) / sigma)
        if gamma > 0 and sigma_next > 0:
            x = torch.add(x, noise(sigma, sigma_next), alpha=gamma * sigma_next)
        yield Step(i, sigma_next, x, x0)


@lands(to_data)
@order(None, pathwise=False)
def one_step(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]:
    """One evaluation at the highest level, then the straight line to its estimate.

    Liu et al. 2023, InstaFlow, arXiv:2309.06380, for models that go all the way to the data.
    """
    del noise
    x0 = denoise(x, sigmas[0])
    for i, sigma_next in enumerate(sigmas[1:]):
        yield Step(i, sigma_next, torch.lerp(x0, x, sigma_next / sigmas[0]), x0)
