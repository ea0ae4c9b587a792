"""Rounds: the sampler as it is when there is one, and what is given and what is made agreeing when there are more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from difftool.engine.repaint import solve
from difftool.guidance.inpaint import keeping
from difftool.samplers.ancestral import euler_ancestral
from difftool.samplers.euler import euler
from difftool.space import Euclidean

CORRELATION = 0.9
COVARIANCE = torch.tensor([[1.0, CORRELATION], [CORRELATION, 1.0]], dtype=torch.float64)
SIGMAS = [*torch.logspace(1.3, -2, 40).tolist(), 0.0]


def exact(x, sigma):
    """The best estimate of x0 ``[b, 2]`` where that is normal with this covariance."""
    return x @ torch.linalg.solve(
        COVARIANCE + sigma**2 * torch.eye(2, dtype=torch.float64), COVARIANCE
    )


def sampled(denoise, rounds: int, n: int = 20_000) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)

    def noise(*interval):
        return torch.randn(n, 2, generator=rng, dtype=torch.float64)

    stage = SimpleNamespace(sampler=euler, knobs={})
    return solve(stage, denoise, SIGMAS[0] * noise(), SIGMAS, lambda n: noise, rounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_distribution_stays_that_of_the_data(rounds):
    x = sampled(exact, rounds)
    torch.testing.assert_close(
        x.T @ x / len(x), COVARIANCE, atol=0.12, rtol=0
    )  # steps of first order spread a little, and again in every round


def test_one_round_is_the_sampler():
    rng = torch.Generator().manual_seed(0)
    start = SIGMAS[0] * torch.randn(20_000, 2, generator=rng, dtype=torch.float64)
    *_, last = euler(exact, start, SIGMAS, lambda *interval: torch.zeros_like(start))
    assert torch.equal(sampled(exact, 1), last.x)


def test_more_rounds_bring_what_is_made_to_what_is_given():
    """One of two correlated numbers is given: the other's mean is ``CORRELATION`` times it. Laid in place alone, it pulls less."""
    known = torch.tensor([[True, False]])
    pulled = []
    for rounds in (1, 4, 16):
        given = torch.tensor([[2.0, 0.0]], dtype=torch.float64).expand(4000, 2)
        x = sampled(keeping(exact, Euclidean(), given, known, None), rounds, 4000)
        torch.testing.assert_close(x[:, 0], given[:, 0])
        pulled.append(x[:, 1].mean().item() / 2)
    assert pulled[0] < pulled[1] < pulled[2]
    assert pulled[2] == pytest.approx(CORRELATION, abs=0.05)


def test_every_crossing_of_an_interval_has_a_path_of_its_own():
    asked = []

    def paths(n):
        def noise(sigma, sigma_next):
            asked.append((n, sigma, sigma_next))
            return torch.zeros(1, 2, dtype=torch.float64)

        return noise

    stage = SimpleNamespace(sampler=euler_ancestral, knobs={})
    solve(stage, exact, torch.ones(1, 2, dtype=torch.float64), [2.0, 1.0, 0.0], paths, 3)  # type: ignore[arg-type]
    assert [(high, low) for _, high, low in asked] == [
        (2.0, 1.0),
        (1.0, 2.0),
        (2.0, 1.0),
        (1.0, 2.0),
        (2.0, 1.0),
    ]
    assert len({n for n, *_ in asked}) == 5
