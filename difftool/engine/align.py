"""Align your steps: the noise levels at which a sampler of n steps strays least from the diffusion.

Between two levels a sampler does not know D: a method of first order holds the last estimate, one of
second order goes on along the line through the last two. The cost of a step is

    integral over ln sigma of E |D(x_sigma; sigma) - estimate(sigma)|^2 / sigma^(2 nats)

With ``nats`` = 1 and the first order their sum bounds the Kullback-Leibler divergence between the two
diffusions (Sabour et al. 2024, arXiv:2404.14507, Theorem 3.1); such a bound has most of its nats in
details. With ``nats`` = 0 it counts the errors that steps leave in x, since dx = (x - D) d ln sigma.

The authors move one level at a time. Here the costs are measured for all levels of a fine grid, along
one path of noise for each example, and the best levels of the grid follow exactly by dynamic
programming.
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


def products(
    denoise: Denoise,
    x0: Tensor,
    levels: Sequence[float],
    space: Space,
    rng: Rng,
    mask: Tensor | None = None,
) -> Tensor:
    """``[g, g]``: the mean product of entries of D at each pair of the rising levels, in float64.

    Noise is added from level to level, so that all levels of an example lie on one path.
    """
    x, estimates, before = x0, [], 0.0
    for sigma in levels:
        step = math.sqrt(sigma**2 - before**2)
        x = x + step * space.noise(x0.shape, rng, mask).to(x0)
        estimates.append(denoise(x, sigma).flatten(1).double())
        before = sigma
    found = torch.stack(estimates, 1)  # [b, g, entries]
    return torch.einsum("bie,bje->ij", found, found) / found[:, 0].numel()


def held(products: Tensor, levels: Sequence[float], nats: float = 0.0) -> Tensor:
    """``[g, g]``: the cost of a step of first order from level b down to level a, at [a, b].

    Infinite unless a < b.
    """
    square = products.diagonal()
    errors = square[:, None] + square[None, :] - 2 * products
    cost = _integrals(errors, levels, nats)
    upper = torch.ones_like(cost, dtype=torch.bool).triu(1)
    return torch.where(upper, cost, torch.inf)


def extrapolated(products: Tensor, levels: Sequence[float], nats: float = 0.0) -> Tensor:
    """``[g, g, g]``: the cost of a step from level b down to level a that came from level c, at
    [a, b, c].

    The estimate is D_b + r (D_b - D_c) with r = ln(b / sigma) / ln(c / b)   (Lu et al. 2022,
    arXiv:2211.01095, Alg. 2). Infinite unless a < b < c.
    """
    tau, square = torch.tensor(levels, dtype=torch.float64).log(), products.diagonal()
    g = len(levels)
    cost = torch.full((g, g, g), torch.inf, dtype=torch.float64)
    for b in range(1, g - 1):
        c = torch.arange(b + 1, g)
        r = (tau[b] - tau[: b + 1, None]) / (tau[c] - tau[b])  # [s, c]
        errors = (
            square[: b + 1, None] + (1 + r) ** 2 * square[b] + r**2 * square[c]
            - 2 * (1 + r) * products[: b + 1, b, None] + 2 * r * products[: b + 1, b + 1 :]
            - 2 * r * (1 + r) * products[b, b + 1 :]
        )  # fmt: skip
        below = _below(errors, levels[: b + 1], nats)
        cost[:b, b, b + 1 :] = below[-1] - below[:b]
    return cost


def _integrals(errors: Tensor, levels: Sequence[float], nats: float) -> Tensor:
    """``[g, g]``: the integral of column b from level a up to level b, at [a, b]."""
    below = _below(errors, levels, nats)
    return below.diagonal()[None, :] - below


def _below(errors: Tensor, levels: Sequence[float], nats: float) -> Tensor:
    """The integral over ln sigma of errors / sigma^(2 nats) from the first level to each, along the
    first axis, by the trapezoidal rule.
    """
    tau = torch.tensor(levels, dtype=torch.float64).log()
    integrand = errors.clamp_min(0) * (-2 * nats * tau).exp()[:, None]
    pieces = (integrand[1:] + integrand[:-1]) / 2 * tau.diff()[:, None]
    return torch.cat([torch.zeros_like(errors[:1]), pieces.cumsum(0)])


def best_levels(first: Tensor, then: Tensor | None, n: int) -> tuple[list[int], float]:
    """The places of n levels from the last to the first, with the least sum of costs, and that sum.

    Bellman's recursion over the number of steps, the level that they have come to and the one before.

    Args:
        first: the costs ``[g, g]`` of a step that knows one estimate: the first one.
        then: those ``[g, g, g]`` of the others; None if they know one estimate as well.
    """
    g = len(first)
    then = first[:, :, None].expand(g, g, g) if then is None else then
    least = torch.full_like(first, torch.inf)  # to reach a, coming from b
    least[:, -1] = first[:, -1]
    came: list[Tensor] = []
    for _ in range(n - 2):
        least, place = (least[None] + then).min(2)
        came.append(place)
    before = int(least[0].argmin())
    places, total = [0, before], least[0, before].item()
    for place in reversed(came):
        places.append(int(place[places[-2], places[-1]]))
    return places[::-1], total


def cost_of(
    first: Tensor, then: Tensor | None, grid: Sequence[float], levels: Sequence[float]
) -> float:
    """The cost of decreasing levels, each moved to the nearest one of the grid."""
    logs = torch.tensor(grid, dtype=torch.float64).log()
    wanted = torch.tensor(levels, dtype=torch.float64).log()
    nearest = (logs[:, None] - wanted).abs().argmin(0)
    places = sorted({int(place) for place in nearest}, reverse=True)
    total = 0.0
    for i, (b, a) in enumerate(pairwise(places)):
        known = then is None or i == 0
        total += (first[a, b] if known else then[a, b, places[i - 1]]).item()  # type: ignore[index]
    return total
