"""On Gaussian data, what each method is best at is known: there its loss is least."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from difftool import Moment
from difftool.objectives.few import estimate_of, stepped_to
from difftool.rng import Stream

from .gaussian import SD, Factor, Scaling, data, objective

LAST = Moment(79, 80, 0)


def loss(made, moment=LAST, player="denoiser"):
    return made.loss(data(), Stream(0, "noise"), moment, player).mean()


def slope(made, number, moment=LAST):
    """The gradient of the loss by a number of the student."""
    made.zero_grad()
    loss(made, moment).backward()
    return number.grad.item()


def step(x, t, s):
    """Euler's step of the exact denoiser, as a factor of x."""
    return s / t + (1 - s / t) * SD**2 / (SD**2 + t**2) if x == 1 else x * step(1, t, s)


def test_a_step_and_the_estimate_that_takes_it_are_inverse():
    x, x0 = Stream(0, "x").normal((5, 3)), Stream(1, "x").normal((5, 3))
    t, s = torch.tensor([80.0, 5, 1, 0.1, 2]), torch.tensor([5.0, 0, 0.5, 0.02, 1.9])
    torch.testing.assert_close(
        estimate_of(x, stepped_to(x, x0, t, s), t, s), x0, atol=1e-4, rtol=1e-4
    )
    assert torch.equal(stepped_to(x, x0, t, t), x)


def test_consistency_distillation_ends_at_the_end_of_the_flow():
    def at(power):
        student = Scaling(power)
        made = objective("consistency-distillation", student, stages=8, k=0.0, c=10.0)
        return slope(made, student.power)

    assert abs(at(1.0)) < 0.05 * min(abs(at(2.0)), abs(at(0.5)))


def test_with_the_widest_gap_its_student_is_its_teacher():
    """Then the target is the teacher's estimate, whatever the guidance."""
    student = Scaling(2.0)
    made = objective("consistency-distillation", student, stages=1, q=1.0001, k=2e4)
    assert loss(made).item() < 1e-6


@pytest.mark.parametrize("number", [0, 1])
def test_a_round_of_progressive_distillation_takes_two_steps_in_one(number):
    made = objective("progressive", Scaling(2.0), evaluations=2, rounds=2)
    levels = made.levels(number)
    assert len(levels) - 1 == 2 * 2 ** (2 - number)
    made.before.load_state_dict(Scaling(2.0).state_dict())  # the exact denoiser in both rounds
    factors = {}
    for t, middle, s in zip(levels[::2], levels[1::2], levels[2::2], strict=False):
        factors[t] = (step(step(1, t, middle), middle, s) - s / t) / (1 - s / t)
    made.denoiser = Factor(
        lambda sigma: torch.tensor([min(factors.items(), key=lambda f: abs(f[0] - v))[1] for v in sigma.tolist()])
    )  # fmt: skip
    assert loss(made, Moment(40 * number, 80, 0)).item() < 1e-8


def test_the_levels_of_a_round_are_among_those_of_the_round_before():
    made = objective("progressive", Scaling(2.0), evaluations=2, rounds=3)
    first, second, third = (made.levels(number) for number in range(3))
    assert first[::2] == pytest.approx(second)
    assert second[::2] == pytest.approx(third)
    assert third[::2] == pytest.approx(made.process.schedule.sigmas(2))


def test_the_student_becomes_the_teacher_of_the_next_round():
    made = objective("progressive", Scaling(1.7), rounds=2)
    made.before.load_state_dict(Scaling(2.0).state_dict())
    powers = []
    for taken in (39, 40, 41):
        made.stepped(Moment(taken, 80, 0))
        powers.append(made.before.power.item())
    assert powers == pytest.approx([2.0, 1.7, 1.7])


@pytest.mark.parametrize("evaluations", [1, 2])
def test_simple_and_fast_distillation_follows_the_flow(evaluations):
    """One step from t to s reaches x sqrt((SD^2 + s^2) / (SD^2 + t^2)), where the flow passes."""
    levels = objective("sfd", Scaling(1.0), evaluations=evaluations).process.schedule
    sigmas = levels.sigmas(evaluations)
    wanted = {}
    for t, s in pairwise(sigmas):
        wanted[t] = (math.sqrt((SD**2 + s**2) / (SD**2 + t**2)) - s / t) / (1 - s / t)
    student = Factor(
        lambda sigma: torch.tensor([min(wanted.items(), key=lambda f: abs(f[0] - v))[1] for v in sigma.tolist()])
    )  # fmt: skip
    made = objective("sfd", student, evaluations=evaluations, substeps=64)
    assert loss(made).item() < 0.02 * SD


def test_reflow_denoises_along_straight_paths():
    """Noise eps leads to SD eps, so that x is (SD + sigma) eps, and its end is SD eps."""
    straight = objective("reflow", Factor(lambda sigma: SD / (SD + sigma)), solver_steps=200)
    assert loss(straight).item() < 1e-3 < 0.1 * loss(objective("reflow", Scaling(2.0))).item()


@pytest.mark.parametrize("sd", [0.3, 0.5, 0.8])
def test_distribution_matching_leads_to_the_spread_of_the_data(sd):
    """The student's samples have the standard deviation sd, which its follower knows."""
    student = Scaling(1.0, sd)
    made = objective("distribution-matching", student, evaluations=1)
    made.follower.load_state_dict(Scaling(2.0, sd).state_dict())
    found = slope(made, student.sd)
    if sd == SD:
        assert abs(found) < 1e-6
    else:
        assert found * (sd - SD) > 0.01  # descent leads towards SD


def test_the_follower_learns_what_the_student_makes():
    made = objective("distribution-matching", Scaling(1.0, 0.3), evaluations=1)

    def error(sd):
        made.follower.load_state_dict(Scaling(2.0, sd).state_dict())
        return loss(made, player="follower").item()

    assert error(0.3) < min(error(0.27), error(0.33))
