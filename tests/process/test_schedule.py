"""Schedules: increasing, invertible, and ending where they say; a new one joins by registering."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import betainc, betaincinv

from difftool.errors import UsageError
from difftool.plugin.registry import Registry
from difftool.process import options as o
from difftool.process.aligned import Aligned
from difftool.process.beta import Beta, cumulative, quantile
from difftool.process.schedule import (
    Cosine,
    Exponential,
    Flow,
    Karras,
    Laplace,
    Linear,
    Polynomial,
    Sigmoid,
)

REGISTRY = Registry.load_all()
SCHEDULES = {
    spec.name: REGISTRY.load(spec)(REGISTRY.options(spec)()) for spec in REGISTRY.specs("schedule")
}
EXPECTED = {
    "karras",
    "exponential",
    "linear",
    "zero-snr",
    "cosine",
    "sigmoid",
    "flow",
    "polynomial",
    "laplace",
    "beta",
    "ve",
    "vp",
    "subvp",
    "ays",
}
T = torch.linspace(0, 1, 501, dtype=torch.float64)

every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES.keys())


def test_all_the_schedules_are_registered():
    assert set(SCHEDULES) >= EXPECTED


@every_schedule
def test_from_sigma_min_up_to_sigma_max_in_double_precision(schedule):
    sigma = schedule.sigma(T.float())
    assert sigma.dtype == torch.float64
    assert sigma.diff().gt(0).all()
    assert [sigma[0].item(), sigma[-1].item()] == pytest.approx(
        [schedule.sigma_min, schedule.sigma_max]
    )
    assert 0 < schedule.sigma_min < schedule.sigma_max < math.inf


@every_schedule
def test_time_is_the_inverse_of_sigma(schedule):
    torch.testing.assert_close(schedule.time(schedule.sigma(T)), T, atol=1e-7, rtol=0)
    outside = torch.tensor([schedule.sigma_min / 2, schedule.sigma_max * 2], dtype=torch.float64)
    assert schedule.time(outside).tolist() == [0, 1]


@every_schedule
@pytest.mark.parametrize("n", [1, 2, 3, 18, 100])
def test_n_steps_visit_n_levels_and_then_zero(schedule, n):
    sigmas = schedule.sigmas(n)
    assert len(sigmas) == n + 1
    assert all(a > b for a, b in pairwise(sigmas))
    assert sigmas[-1] == 0
    assert sigmas[0] == pytest.approx(schedule.sigma_max)
    assert all(type(sigma) is float for sigma in sigmas)


@every_schedule
def test_a_schedule_can_be_copied(schedule):
    assert deepcopy(schedule).sigmas(5) == schedule.sigmas(5)


def test_karras_as_in_the_paper():
    n, rho = 18, 7
    expected = [
        (80 ** (1 / rho) + i / (n - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho
        for i in range(n)
    ]
    assert Karras(o.KarrasOptions()).sigmas(n)[:-1] == pytest.approx(expected)


def test_exponential_divides_by_the_same_factor():
    sigmas = Exponential(o.ExponentialOptions()).sigmas(6)[:-1]
    assert [a / b for a, b in pairwise(sigmas)] == pytest.approx([(80 / 0.002) ** (1 / 5)] * 5)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(t=st.floats(0.01, 0.99), shift=st.floats(0.2, 5))
def test_flow_is_the_shifted_straight_path(t, shift):
    schedule = Flow(o.FlowOptions(sigma_min=1e-6, sigma_max=1e6, shift=shift))
    shifted = shift * t / (1 + (shift - 1) * t)
    sigma = schedule.sigma(torch.tensor([t], dtype=torch.float64)).item()
    assert sigma == pytest.approx(shifted / (1 - shifted), rel=1e-3)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_cosine_and_sigmoid_as_in_the_papers(t):
    def cosine(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    def sigmoid(t: float) -> float:
        return 1 / (1 + math.exp(-(-3 + 6 * t) / 0.8))

    time = torch.tensor([t], dtype=torch.float64)
    ends = {"sigma_min": 1e-5, "sigma_max": 1e5}
    a_bar = 1 / (1 + Cosine(o.CosineOptions(**ends)).sigma(time).item() ** 2)
    assert a_bar == pytest.approx(cosine(t) / cosine(0), rel=1e-3)
    a_bar = 1 / (1 + Sigmoid(o.SigmoidOptions(**ends, tau=0.8)).sigma(time).item() ** 2)
    assert a_bar == pytest.approx((sigmoid(1) - sigmoid(t)) / (sigmoid(1) - sigmoid(0)), rel=1e-3)


@pytest.mark.parametrize(("t", "power"), [(0.02, 2.0), (0.5, 2.0), (0.5, 3.0), (0.95, 2.0)])
def test_polynomial_as_published(t, power):
    schedule = Polynomial(o.PolynomialOptions(power=power))
    a_bar = 1 / (1 + schedule.sigma(torch.tensor([t], dtype=torch.float64)).item() ** 2)
    assert a_bar == pytest.approx((1 - 2e-5) * (1 - t**power) ** 2 + 1e-5, rel=1e-9)


def test_the_precision_of_the_polynomial_is_the_variance_at_either_end():
    """Of the noise where it is least, of the data where it is most: sigma runs from one number to its inverse."""
    schedule = Polynomial(o.PolynomialOptions(precision=1e-4))
    assert schedule.sigma_min**2 / (1 + schedule.sigma_min**2) == pytest.approx(1e-4)
    assert 1 / (1 + schedule.sigma_max**2) == pytest.approx(1e-4)


def test_the_table_of_betas_by_the_textbook():
    a_bar, sigmas = 1.0, []
    for i in range(1000):
        a_bar *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999)
        sigmas.append(math.sqrt(1 / a_bar - 1))
    assert Linear(o.LinearOptions()).sigmas(1000)[:-1] == pytest.approx(sigmas[::-1], rel=1e-9)


def test_zero_terminal_snr_moves_the_noisy_end_alone():
    plain, zero = Linear(o.LinearOptions(spacing="trailing")), SCHEDULES["zero-snr"]
    assert zero.sigma_min == pytest.approx(plain.sigma_min)
    assert zero.sigma_max == pytest.approx(1000)


def test_more_steps_than_levels_are_refused():
    with pytest.raises(UsageError, match="at most 10"):
        Linear(o.LinearOptions(levels=10)).sigmas(11)


@pytest.mark.parametrize(
    "model",
    [o.KarrasOptions, o.ExponentialOptions, o.FlowOptions, o.CosineOptions, o.SigmoidOptions],
)
def test_ends_in_the_wrong_order_are_refused(model):
    with pytest.raises(ValidationError, match="must be below sigma_max"):
        model(sigma_min=2.0, sigma_max=1.0)


def test_betas_and_sigmoids_that_run_backwards_are_refused():
    with pytest.raises(ValidationError, match="beta_min"):
        o.LinearOptions(beta_min=0.1, beta_max=0.01)
    with pytest.raises(ValidationError, match="start"):
        o.SigmoidOptions(start=1, end=0)
    with pytest.raises(ValidationError, match="precision"):
        o.PolynomialOptions(precision=0.5)


@pytest.mark.parametrize("t", [0.02, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("side", [32, 128, 256])
def test_cosine_is_shifted_as_in_simple_diffusion(t, side):
    """Hoogeboom et al. 2023, arXiv:2301.11093: 2 ln(64 / d) is added to the log-SNR."""
    wide = {"sigma_min": 1e-9, "sigma_max": 1e9, "offset": 0.0}
    time = torch.tensor([t], dtype=torch.float64)
    sigma = Cosine(o.CosineOptions(**wide, shift=side / 64)).sigma(time).item()
    expected = -2 * math.log(math.tan(math.pi * t / 2)) + 2 * math.log(64 / side)
    assert -2 * math.log(sigma) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("t", [0.02, 0.5, 0.9])
def test_two_shifts_are_interpolated_in_log_snr(t):
    """t times that of the coarse side, and 1 - t times that of the fine one (Sec. 3.1)."""
    wide = {"sigma_min": 1e-9, "sigma_max": 1e9, "offset": 0.0}
    schedule = Cosine(o.CosineOptions(**wide, shift=256 / 256, shift_end=256 / 32))
    sigma = schedule.sigma(torch.tensor([t], dtype=torch.float64)).item()
    cosine = -2 * math.log(math.tan(math.pi * t / 2))
    expected = t * (cosine + 2 * math.log(32 / 256)) + (1 - t) * (cosine + 2 * math.log(256 / 256))
    assert -2 * math.log(sigma) == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(schedule.time(schedule.sigma(T)), T, atol=1e-9, rtol=0)


@pytest.mark.parametrize("t", [0.1, 0.4, 0.5, 0.7])
def test_laplace_as_in_the_paper(t):
    """Hang et al. 2024, arXiv:2407.03297: mu - b sgn(0.5 - t) ln(1 - 2 |t - 0.5|)."""
    schedule = Laplace(o.LaplaceOptions(sigma_min=1e-9, sigma_max=1e9, mean=0.7, scale=1.2))
    sigma = schedule.sigma(torch.tensor([t], dtype=torch.float64)).item()
    side = (t < 0.5) - (t > 0.5)
    expected = 0.7 - 1.2 * side * math.log(1 - 2 * abs(t - 0.5))
    assert -2 * math.log(sigma) == pytest.approx(expected, abs=1e-6)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(x=st.floats(1e-6, 1 - 1e-6), a=st.floats(0.1, 20), b=st.floats(0.1, 20))
def test_the_beta_distribution_is_scipy_s(x, a, b):
    assert cumulative(np.array([x]), a, b)[0] == pytest.approx(betainc(a, b, x), abs=1e-12)
    found = quantile(np.array([0.0, x, 1.0]), a, b)
    assert found.tolist() == pytest.approx([0, betaincinv(a, b, x), 1], abs=1e-9)


def test_beta_visits_its_quantiles_and_no_level_twice():
    schedule, linear = Beta(o.BetaOptions()), Linear(o.LinearOptions())
    sigmas = torch.tensor(schedule.sigmas(10)[:-1], dtype=torch.float64)
    times = torch.tensor(betaincinv(0.6, 0.6, [(10 - i) / 10 for i in range(10)]))
    torch.testing.assert_close(linear.time(sigmas), times, atol=6e-4, rtol=0)
    assert schedule.sigmas(1000) == linear.sigmas(1000)
    with pytest.raises(UsageError, match="at most 1000"):
        schedule.sigmas(1001)


def test_found_levels_are_visited_and_interpolated_in_ln_sigma():
    levels = [10.0, 1.0, 0.5, 0.01]
    schedule = Aligned(o.AysOptions(levels=levels))
    assert schedule.sigmas(4) == pytest.approx([*levels, 0.0])
    between = [math.sqrt(10), 1.0, math.sqrt(0.5), 0.5, math.sqrt(0.005), 0.01]
    assert schedule.sigmas(7) == pytest.approx([10.0, *between, 0.0])
