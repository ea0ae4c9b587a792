"""Align your steps: the noise levels at which a sampler of n steps strays least from the diffusion.

A sampler that holds D constant on an interval solves another diffusion than the model's. The
Kullback-Leibler divergence between the two is at most the integral of

    E |D(x_sigma; sigma) - D(x_b; sigma_b)|^2 / sigma^3

over each interval, whose noisier end is b (Sabour et al. 2024, arXiv:2404.14507, Theorem 3.1). The
authors move one level at a time. Here the bound is measured for every pair of levels of a fine
grid, along one path of noise for each example, and the best levels of the grid follow exactly by
dynamic programming.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..rng import Rng
from ..sampler import Denoise
from ..space import Space


def disagreements(
    denoise: Denoise,
    x0: Tensor,
    levels: Sequence[float],
    space: Space,
    rng: Rng,
    mask: Tensor | None = None,
) -> Tensor:
    """``[g, g]``: the mean squared distance of D at each pair of the rising levels, in float64.

    Noise is added from level to level, so that all levels of an example lie on one path.
    """
    x, estimates, before = x0, [], 0.0
    for sigma in levels:
        step = math.sqrt(sigma**2 - before**2)
        x = x + step * space.noise(x0.shape, rng, mask).to(x0)
        estimates.append(denoise(x, sigma).flatten(1).double())
        before = sigma
    found = torch.stack(estimates, 1)  # [b, g, entries]
    return torch.cdist(found, found).square().mean(0) / found.shape[2]


def costs(distances: Tensor, levels: Sequence[float]) -> Tensor:
    """``[g, g]``: the bound for a step from level b down to level a, at [a, b] with a < b.

    The integral over ln sigma of distance / sigma^2, by the trapezoidal rule.
    """
    tau = torch.tensor(levels, dtype=torch.float64).log()
    integrand = distances / (2 * tau).exp()[:, None]
    pieces = (integrand[1:] + integrand[:-1]) / 2 * tau.diff()[:, None]
    total = torch.cat([torch.zeros_like(distances[:1]), pieces.cumsum(0)])
    return total.diagonal()[None, :] - total


def best_levels(cost: Tensor, n: int) -> tuple[list[int], float]:
    """The places of n levels from the last to the first, with the least sum of costs, and that sum.

    Bellman's recursion over the number of steps and the level that they have come down from.
    """
    g = len(cost)
    upper = torch.ones(g, g, dtype=torch.bool).triu(1)
    allowed = torch.where(upper, cost, torch.inf)
    least = torch.full((g,), torch.inf, dtype=cost.dtype)
    least[0] = 0.0
    came: list[Tensor] = []
    for _ in range(n - 1):
        least, place = (least[:, None] + allowed).min(0)
        came.append(place)
    places, total = [g - 1], least[-1].item()
    for place in reversed(came):
        places.append(int(place[places[-1]]))
    return places, total


def cost_of(cost: Tensor, grid: Sequence[float], levels: Sequence[float]) -> float:
    """The bound for decreasing levels, each moved to the nearest one of the grid."""
    logs = torch.tensor(grid, dtype=torch.float64).log()
    wanted = torch.tensor(levels, dtype=torch.float64).log()
    places = sorted({int(place) for place in (logs[:, None] - wanted).abs().argmin(0)})
    return sum(cost[a, b].item() for a, b in pairwise(places))
