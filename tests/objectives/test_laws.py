"""On Gaussian data, what each method is best at is known: there its loss is least."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import pytest
import torch

from difftool import Moment
from difftool.objectives.few import estimate_of, second_order, stepped_to
from difftool.objectives.tangent import Tangent, difference
from difftool.rng import Stream

from .gaussian import SD, Factor, Jumping, Scaling, data, objective

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


@pytest.mark.parametrize("end", [0.0, 0.3])
def test_a_step_of_second_order_is_exact_for_gaussian_data(end):
    """However long it is, from where Euler's step to the middle has led."""
    x, mean = torch.tensor([[7.0]]), 0.4
    t, middle, s = (torch.tensor([one]) for one in (80.0, 1.0, end))

    def flow(level):
        return mean + (x - mean) * ((SD**2 + level**2) / (SD**2 + t**2)).sqrt()

    def d(level):
        return mean + (flow(level) - mean) * SD**2 / (SD**2 + level**2)

    estimate = second_order(d(t), d(middle), t, middle, s, SD)
    torch.testing.assert_close(stepped_to(x, estimate, t, s), flow(s))


def test_the_first_round_of_progressive_distillation_follows_the_flow():
    """Its steps end nearer to where the flow passes than two Euler steps, by far."""
    made = objective("progressive", Scaling(2.0), evaluations=2, rounds=2)
    flow, euler = {}, {}
    for t, middle, s in triples(made.levels(0)):
        flow[t] = (math.sqrt((SD**2 + s**2) / (SD**2 + t**2)) - s / t) / (1 - s / t)
        euler[t] = two_steps(t, middle, s)
    made.denoiser = by_level(flow)
    error = loss(made).item()
    made.denoiser = by_level(euler)
    assert error < 0.1 * loss(made).item()


def test_a_later_round_of_progressive_distillation_takes_two_steps_in_one():
    made = objective("progressive", Scaling(2.0), evaluations=2, rounds=2)
    made.before.load_state_dict(Scaling(2.0).state_dict())  # the exact denoiser in both rounds
    made.denoiser = by_level({t: two_steps(t, *rest) for t, *rest in triples(made.levels(1))})
    assert loss(made, Moment(40, 80, 0)).item() < 1e-8


def triples(levels):
    """The start, the middle and the end of each step of the student."""
    return zip(levels[::2], levels[1::2], levels[2::2], strict=False)


def two_steps(t, middle, s):
    """The factor of the estimate that takes two of Euler's steps in one."""
    return (step(step(1, t, middle), middle, s) - s / t) / (1 - s / t)


def by_level(factors):
    """A student whose estimate is x times the factor of the nearest level."""
    return Factor(
        lambda sigma: torch.tensor([min(factors.items(), key=lambda f: abs(f[0] - v))[1] for v in sigma.tolist()])
    )  # fmt: skip


def test_the_levels_of_a_round_are_among_those_of_the_round_before():
    made = objective("progressive", Scaling(2.0), evaluations=2, rounds=3)
    first, second, third = (made.levels(number) for number in range(3))
    assert [len(one) - 1 for one in (first, second, third)] == [16, 8, 4]
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
    made = objective("sfd", by_level(wanted), evaluations=evaluations, substeps=64)
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


class Optimal(torch.nn.Module):
    """ln p(example) - ln p(sample) under noise: no discriminator tells them better apart."""

    def __init__(self, sd: float) -> None:
        super().__init__()
        self.sd = sd

    def forward(self, denoiser, x, sigma, cond, mask=None):
        def logarithm(sd):
            variance = (sd**2 + sigma**2)[:, None]
            return -0.5 * (x.square() / variance + variance.log()).sum(1)

        return logarithm(SD) - logarithm(self.sd), denoiser(x, sigma, cond, mask)


@pytest.mark.parametrize("sd", [0.3, 0.5, 0.8])
@pytest.mark.parametrize(
    ("name", "options"),
    [("adversarial", {"distillation": 0.0}), ("distribution-matching", {"adversary": 1.0})],
)
def test_the_best_discriminator_leads_to_the_spread_of_the_data(monkeypatch, name, options, sd):
    monkeypatch.setattr(
        f"difftool.objectives.{name.replace('-', '_')}.Discriminator", lambda *_: Optimal(sd)
    )
    student = Scaling(1.0, sd)
    made = objective(name, student, evaluations=1, **options)
    if name == "distribution-matching":
        made.follower.load_state_dict(Scaling(2.0, sd).state_dict())
    found = slope(made, student.sd)
    if sd == SD:
        assert abs(found) < 1e-5
    else:
        assert found * (sd - SD) > 0.01  # descent leads towards SD


@pytest.mark.parametrize("name", ["mean-flow", "shortcut"])
def test_whole_steps_on_the_flow_have_no_error(name):
    """With the exact denoiser for a teacher, the loss is zero at g of the flow and nowhere else."""
    exact, wrong = Jumping(1.0), Jumping(1.0)
    wrong.power.data.fill_(0.9)
    assert loss(objective(name, exact)).item() < 1e-4
    assert loss(objective(name, wrong)).item() > 1e-3


@pytest.mark.parametrize("name", ["mean-flow", "shortcut"])
def test_without_a_teacher_the_flow_is_where_the_gradient_vanishes(name):
    def at(power):
        student = Jumping(power)
        return slope(objective(name, student, None), student.power)

    assert abs(at(1.0)) < 0.1 * min(abs(at(1.2)), abs(at(0.8)))


def test_trajectory_models_follow_a_teacher_of_short_steps():
    def at(power):
        return loss(objective("consistency-trajectory", Jumping(power), parts=500)).item()

    assert at(1.0) < 0.05 * min(at(0.9), at(1.1))


def test_a_step_of_no_length_leads_nowhere():
    """The boundary condition x_s = x at s = t, whatever the network."""
    made = objective("mean-flow", Jumping(0.3))
    noisy = made.noised(data(8), Stream(0, "noise"))
    assert torch.equal(made.landed(noisy, noisy.sigma, data(8)).x, noisy.x)


@pytest.mark.parametrize("teacher", [True, False])
def test_continuous_consistency_ends_at_the_end_of_the_flow(teacher):
    def at(power):
        student = Scaling(power)
        given = {} if teacher else {"teacher": None}
        return slope(objective("continuous-consistency", student, c=10.0, **given), student.power)

    assert abs(at(1.0)) < 0.1 * min(abs(at(1.5)), abs(at(0.7)))


def test_at_first_continuous_consistency_denoises():
    student = Scaling(2.0)
    made = objective("continuous-consistency", student)
    assert loss(made, Moment(0, 80, 0)).item() < 1e-6 < loss(made, LAST).item()


def test_a_difference_is_the_derivative_where_there_is_no_forward_mode():
    def estimate(x, t):
        return torch.sin(x) * t[:, None]

    x, t = Stream(0, "x").normal((5, 3)), torch.tensor([80.0, 3, 1, 0.1, 0.01])
    exact = Tangent()
    found, slope = exact(estimate, x, t, 0.5 * x)
    assert exact.forward_mode
    torch.testing.assert_close(slope, difference(estimate, x, t, 0.5 * x), atol=1e-3, rtol=1e-3)

    def opaque(x, t):
        return Opaque.apply(x) * t[:, None]

    other = Tangent()
    again, same = other(opaque, x, t, 0.5 * x)
    assert not other.forward_mode
    torch.testing.assert_close(again, found)
    torch.testing.assert_close(same, slope, atol=1e-3, rtol=1e-3)


class Opaque(torch.autograd.Function):
    """The sine, without forward mode."""

    @staticmethod
    def forward(ctx, x):
        return torch.sin(x)


def test_consistency_from_scratch_doubles_its_grid_up_to_the_last():
    made = objective("improved-consistency", Scaling(1.0), None, first=10, last=80)
    assert [made.parts(Moment(i, 80, 0)) for i in (0, 19, 20, 40, 60, 79)] == [
        10, 10, 20, 40, 80, 80,
    ]  # fmt: skip
    levels = torch.tensor([80.0])
    for _ in range(80):
        levels = torch.cat([levels, made.lower(levels[-1:].clamp_min(0.002), LAST)])
    assert (levels > 0).sum().item() == 81  # 80 parts from the highest to the lowest


def test_consistency_from_scratch_ends_at_the_end_of_the_flow():
    def at(power):
        student = Scaling(power)
        made = objective("improved-consistency", student, None, first=640, last=640, c=10.0)
        return slope(made, student.power)

    assert abs(at(1.0)) < 0.1 * min(abs(at(1.5)), abs(at(0.7)))


def test_guided_distillation_learns_the_guided_estimate_of_every_scale():
    made = objective("guided", Told(), Classed())
    batch = data().with_cond(kind=torch.ones(256))
    assert made.loss(batch, Stream(0, "noise"), LAST, "denoiser").max().item() < 1e-8


class Kind:
    """A condition that is hardly ever dropped; its null value is 0."""

    dropout = 1e-9

    @staticmethod
    def null(value):
        return torch.zeros_like(value)


class Classed(Scaling):
    """A denoiser that doubles its estimate under the condition."""

    conditioners: ClassVar = {"kind": Kind()}

    def __init__(self):
        super().__init__(2.0)

    def null(self, cond):
        return {"kind": Kind.null(cond["kind"])}

    def forward(self, x, sigma, cond, mask=None):
        return super().forward(x, sigma, {}) * (1 + cond["kind"][:, None])


class Told(Classed):
    """Without the condition 1, with it 2: at scale w it is 1 + w."""

    def forward(self, x, sigma, signals, mask=None):
        return Scaling.forward(self, x, sigma, {}) * (1 + signals.scale[:, None])
