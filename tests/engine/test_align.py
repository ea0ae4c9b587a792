"""The best noise levels are the best of all, and their costs what they are in closed form."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from difftool.engine.align import best_levels, cost_of, extrapolated, held, products
from difftool.rng import Stream
from difftool.space import Euclidean

V = 0.25
GRID = [0.01 * 2000 ** (i / 59) for i in range(60)]


def denoise(x, sigma):
    """D of N(0, V)."""
    return x * (V / (V + sigma**2))


def share(sigma: float) -> float:
    return V / (V + sigma**2)


def gaussian_products(grid: list[float]) -> torch.Tensor:
    """E D(x_a) D(x_b) in closed form; x_a and x_b share the noise of the lower level."""
    return torch.tensor(
        [[share(a) * share(b) * (V + min(a, b) ** 2) for b in grid] for a in grid],
        dtype=torch.float64,
    )


def test_the_products_are_those_along_a_path():
    rng = Stream(0, "test")
    x0 = math.sqrt(V) * rng.normal((400, 50)).double()
    grid = GRID[::12]
    found = products(denoise, x0, grid, Euclidean(), rng)
    torch.testing.assert_close(found, gaussian_products(grid), atol=1e-3, rtol=0.05)


@pytest.mark.parametrize("nats", [0.0, 1.0])
def test_a_step_costs_the_integral_of_the_error_of_its_estimate(nats):
    """Of estimates that fall with ln sigma along one direction: a held one is wrong by the step."""
    tau = torch.tensor(GRID, dtype=torch.float64).log()
    cost = held(tau[:, None] * tau[None, :], GRID, nats)
    a, b = 10, 40
    step = (tau[b] - tau[a]).item()
    if nats:  # of s^2 e^(-2 tau), where s is the way from b
        s, scale = torch.linspace(0, step, 20_001, dtype=torch.float64), (-2 * tau[b]).exp()
        expected = (torch.trapezoid(s**2 * (2 * s).exp(), s) * scale).item()
    else:
        expected = step**3 / 3
    assert cost[a, b].item() == pytest.approx(expected, rel=0.02)
    assert cost[b, a].item() == math.inf


def test_a_line_through_two_estimates_foretells_a_line_exactly():
    tau = torch.tensor(GRID, dtype=torch.float64).log()
    bent = tau[:, None] * tau[None, :] + (tau**2)[:, None] * (tau**2)[None, :]
    straight = extrapolated(tau[:, None] * tau[None, :], GRID)
    assert straight[10, 30, 45].item() == pytest.approx(0, abs=1e-12)
    # of tau^2 the line through b and c is wrong by (tau - b) (tau - c)
    a, b, c = 10, 30, 45
    s = torch.linspace(tau[a].item(), tau[b].item(), 20_001, dtype=torch.float64)
    expected = torch.trapezoid(((s - tau[b]) * (s - tau[c])).square(), s).item()
    assert extrapolated(bent, GRID)[a, b, c].item() == pytest.approx(expected, rel=0.02)
    assert extrapolated(bent, GRID)[b, a, c].item() == math.inf


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_no_other_levels_of_the_grid_cost_less(n, second):
    rng = torch.Generator().manual_seed(n)
    first = torch.rand(9, 9, generator=rng, dtype=torch.float64)
    first = torch.where(torch.ones(9, 9).triu(1) > 0, first, torch.inf)
    then = torch.rand(9, 9, 9, generator=rng, dtype=torch.float64) if second else None
    if then is not None:
        k = torch.arange(9)
        falling = (k[:, None, None] < k[None, :, None]) & (k[None, :, None] < k[None, None, :])
        then = torch.where(falling, then, torch.inf)
    places, cost = best_levels(first, then, n)
    grid = [0.1 * 2**i for i in range(9)]
    choices = [(8, *reversed(inner), 0) for inner in combinations(range(1, 8), n - 2)]
    costs = [cost_of(first, then, grid, [grid[i] for i in choice]) for choice in choices]
    assert cost == pytest.approx(min(costs))
    assert tuple(places) == choices[costs.index(min(costs))]


@pytest.mark.parametrize("nats", [0.0, 1.0])
def test_more_steps_cost_less_and_even_steps_more(nats):
    found = gaussian_products(GRID)
    first, then = held(found, GRID, nats), extrapolated(found, GRID, nats)
    for rest in (None, then):
        costs = [best_levels(first, rest, n)[1] for n in (4, 8, 16)]
        assert costs == sorted(costs, reverse=True)
        for n, cost in zip((4, 8, 16), costs, strict=True):
            karras = [
                (20 ** (1 / 7) + i / (n - 1) * (0.01 ** (1 / 7) - 20 ** (1 / 7))) ** 7
                for i in range(n)
            ]
            assert cost < cost_of(first, rest, GRID, karras)
        places, cost = best_levels(first, rest, 8)
        levels = [GRID[place] for place in places]
        assert cost_of(first, rest, GRID, levels) == pytest.approx(cost)
