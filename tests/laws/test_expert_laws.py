"""Experts as laws: who is asked at which level, by every solver, and who may serve where."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from difftool.expert import ServedRange, untrained_levels
from difftool.guidance.experts import below
from difftool.plugin.registry import Registry
from difftool.process import options as o
from difftool.process.density import Uniform
from difftool.process.schedule import Karras
from difftool.testing.sampler import gaussian_denoise, levels, nonlinear_denoise, run, seeded

SAMPLERS = [spec.name for spec in Registry.load_all().specs("sampler")]
KARRAS = Karras(o.KarrasOptions())


def asked(denoise, seen: list[float]):
    def recorded(x, sigma):
        seen.append(sigma)
        return denoise(x, sigma)

    return recorded


@pytest.mark.parametrize("at", [0.05, 0.3, 1.0, "a level that is visited"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_solver_asks_each_denoiser_at_its_own_levels_alone(name, at):
    sigmas = [*levels(9), 0.0]
    at = sigmas[4] if isinstance(at, str) else at
    base, fine, whole = list[float](), list[float](), list[float]()
    x = 10 * seeded((2, 5))()
    both = below(asked(gaussian_denoise, base), [(at, asked(nonlinear_denoise, fine))])
    by_hand = lambda x, sigma: (nonlinear_denoise if sigma < at else gaussian_denoise)(x, sigma)  # noqa: E731
    switched = run(name, {}, x, sigmas, both)[-1].x
    expected = run(name, {}, x, sigmas, asked(by_hand, whole))[-1].x
    assert torch.equal(switched, expected)
    assert all(sigma >= at for sigma in base)
    assert all(0 < sigma < at for sigma in fine)
    assert sorted(base + fine) == sorted(whole)
    assert set(fine) == {sigma for sigma in whole if sigma < at}


def test_a_step_of_two_evaluations_across_the_switch_asks_both():
    sigmas = [*levels(9), 0.0]
    above, under = next((a, b) for a, b in pairwise(sigmas) if a >= 1.0 > b)
    base, fine = list[float](), list[float]()
    run(
        "heun",
        {},
        seeded((1, 3))(),
        sigmas,
        below(asked(gaussian_denoise, base), [(1.0, asked(gaussian_denoise, fine))]),
    )
    assert min(base) == above
    assert (fine[0], fine[1]) == (
        under,
        under,
    )  # the end of the step across, and the start of the next


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_expert_that_is_the_base_gives_the_very_same_solution(name):
    x, sigmas = 10 * seeded((2, 5))(), [*levels(6), 0.0]
    alone = run(name, {}, x, sigmas, nonlinear_denoise)
    beside = run(
        name,
        {},
        x,
        sigmas,
        below(nonlinear_denoise, [(0.5, nonlinear_denoise), (2.0, nonlinear_denoise)]),
    )
    assert all(torch.equal(one.x, other.x) for one, other in zip(alone, beside, strict=True))


def served(name: str, below: float, low: float = 0.0, high: float | None = None) -> ServedRange:
    return ServedRange(name, below, Uniform(o.UniformOptions(low=low, high=high), KARRAS))


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([served("base", math.inf)], ""),
        ([served("base", math.inf, 0.001, 90.0)], ""),
        ([served("base", math.inf), served("fine", 0.5, 0.0, 0.5)], ""),
        (
            [
                served("finest", 0.1, 0.0, 0.2),
                served("base", math.inf, 0.5),
                served("fine", 0.5, 0.1, 0.5),
            ],
            "",
        ),
        ([served("base", math.inf), served("middle", 2.0, 0.5, 2.0), served("base", 0.5)], ""),
        (
            [served("base", math.inf, 0.0, 0.5)],
            "base was trained on noise below 0.5 only, but would serve from 80 down to 0.002.",
        ),
        (
            [served("base", math.inf, 0.5), served("fine", 0.4)],
            "base was trained on noise above 0.5 only, but would serve from 80 down to 0.4.",
        ),
        (
            [served("base", math.inf), served("fine", 0.7, 0.0, 0.5)],
            "fine was trained on noise below 0.5 only, but would serve from 0.7",
        ),
        (
            [served("base", math.inf), served("middle", 2.0, 0.5, 2.0)],
            "middle was trained on noise above 0.5 and below 2 only",
        ),
        (
            [served("base", math.inf), served("fine", 0.002)],
            "fine would never take over: the lowest level of sampling is 0.002.",
        ),
    ],
)
def test_no_one_serves_where_it_was_not_trained(ranges, said):
    found = untrained_levels(KARRAS, ranges)
    assert (found is None) == (not said)
    assert (found or "").startswith(said)
