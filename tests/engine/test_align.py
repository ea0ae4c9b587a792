"""The best noise levels are the best of all, and the bound is what it is for Gaussian data."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest
import torch

from difftool.engine.align import best_levels, cost_of, costs, disagreements
from difftool.rng import Stream
from difftool.space import Euclidean

V = 0.25
GRID = [0.01 * 2000 ** (i / 59) for i in range(60)]


def denoise(x, sigma):
    """D of N(0, V)."""
    return x * (V / (V + sigma**2))


def share(sigma: float) -> float:
    return V / (V + sigma**2)


def gaussian_distances(grid: list[float]) -> torch.Tensor:
    """E |D(x_a) - D(x_b)|^2 in closed form; x_a and x_b share the noise of the lower level."""
    return torch.tensor(
        [
            [
                share(a) ** 2 * (V + a**2)
                + share(b) ** 2 * (V + b**2)
                - 2 * share(a) * share(b) * (V + min(a, b) ** 2)
                for b in grid
            ]
            for a in grid
        ],
        dtype=torch.float64,
    )


def test_the_distances_are_those_along_a_path():
    rng = Stream(0, "test")
    x0 = math.sqrt(V) * rng.normal((400, 50)).double()
    grid = GRID[::12]
    found = disagreements(denoise, x0, grid, Euclidean(), rng)
    torch.testing.assert_close(found, gaussian_distances(grid), atol=1e-4, rtol=0.05)


def test_a_step_costs_the_integral_over_it():
    """Of a distance that is sigma^2 (ln b - ln sigma), it is half the square of the step."""
    tau = torch.tensor(GRID, dtype=torch.float64).log()
    distances = (2 * tau).exp()[:, None] * (tau[None, :] - tau[:, None])
    cost = costs(distances, GRID)
    a, b = 10, 40
    assert cost[a, b].item() == pytest.approx((tau[b] - tau[a]).item() ** 2 / 2)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_no_other_levels_of_the_grid_have_a_smaller_bound(n):
    cost = torch.rand(9, 9, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    places, bound = best_levels(cost, n)
    choices = [(0, *inner, 8) for inner in combinations(range(1, 8), n - 2)]
    assert bound == pytest.approx(
        min(sum(cost[a, b].item() for a, b in pairwise(choice)) for choice in choices)
    )
    assert sorted(places) == places[::-1]
    assert (places[0], places[-1], len(places)) == (8, 0, n)


def test_more_steps_have_a_smaller_bound_and_even_steps_a_larger_one():
    cost = costs(gaussian_distances(GRID), GRID)
    bounds = [best_levels(cost, n)[1] for n in (4, 8, 16)]
    assert bounds == sorted(bounds, reverse=True)
    for n, bound in zip((4, 8, 16), bounds, strict=True):
        karras = [
            (20 ** (1 / 7) + i / (n - 1) * (0.01 ** (1 / 7) - 20 ** (1 / 7))) ** 7 for i in range(n)
        ]
        assert bound < cost_of(cost, GRID, karras)
    places, bound = best_levels(cost, 8)
    assert cost_of(cost, GRID, [GRID[place] for place in places]) == pytest.approx(bound)
