"""The rows of the table: their coefficients say what the paths say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from difftool.process.options import (
    CosineOptions,
    EdmOptions,
    KarrasOptions,
    LinearOptions,
    PathOptions,
)
from difftool.process.preconditioning import X0, Edm, Eps, Flow, Score, V
from difftool.process.schedule import Cosine, Karras, Linear

SCHEDULE = Karras(KarrasOptions())
SIGMA = torch.logspace(-2.5, 2.5, 41, dtype=torch.float64)
ROWS = {
    "edm": Edm(EdmOptions(), SCHEDULE),
    "eps": Eps(PathOptions(), SCHEDULE),
    "score": Score(PathOptions(), SCHEDULE),
    "v": V(PathOptions(), SCHEDULE),
    "flow": Flow(PathOptions(), SCHEDULE),
    "x0": X0(EdmOptions(), SCHEDULE),
}
# The path x_t = a x0 + s eps of a row and the target it is trained on, as the papers write them.
VP = (lambda sigma: (1 + sigma**2) ** -0.5, lambda sigma: sigma * (1 + sigma**2) ** -0.5)
PATHS = {
    "eps": VP,
    "score": VP,
    "v": VP,
    "flow": (lambda sigma: 1 / (1 + sigma), lambda sigma: sigma / (1 + sigma)),
}
TARGETS = {
    "eps": lambda a, s, x0, eps: eps,
    "score": lambda a, s, x0, eps: -eps,
    "v": lambda a, s, x0, eps: a * eps - s * x0,
    "flow": lambda a, s, x0, eps: eps - x0,
}

every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
numbers = st.floats(-3, 3)


@pytest.mark.parametrize("name", PATHS)
@settings(derandomize=True, deadline=None, max_examples=30)
@given(x0=numbers, eps=numbers)
def test_the_papers_target_gives_back_x0_and_the_input_is_the_papers_path(name, x0, eps):
    c = ROWS[name].coefficients(SIGMA)
    a, s = (f(SIGMA) for f in PATHS[name])
    x = x0 + SIGMA * eps
    torch.testing.assert_close(c.in_ * x, a * x0 + s * eps)
    torch.testing.assert_close(
        c.skip * x + c.out * TARGETS[name](a, s, x0, eps),
        torch.full_like(SIGMA, x0),
        atol=1e-10,
        rtol=0,
    )


@pytest.mark.parametrize("sd", [0.5, 1.0, 2.0])
def test_edm_has_unit_variance_in_and_out(sd):
    c = Edm(EdmOptions(sigma_data=sd), SCHEDULE).coefficients(SIGMA)
    torch.testing.assert_close(c.in_**2 * (sd**2 + SIGMA**2), torch.ones_like(SIGMA))
    target = ((1 - c.skip) ** 2 * sd**2 + c.skip**2 * SIGMA**2) / c.out**2
    torch.testing.assert_close(target, torch.ones_like(SIGMA))


@pytest.mark.parametrize("name", ["eps", "v"])
def test_the_variance_preserving_rows_have_it_for_unit_data(name):
    c = ROWS[name].coefficients(SIGMA)
    torch.testing.assert_close(c.in_**2 * (1 + SIGMA**2), torch.ones_like(SIGMA))
    target = ((1 - c.skip) ** 2 + c.skip**2 * SIGMA**2) / c.out**2
    torch.testing.assert_close(target, torch.ones_like(SIGMA))


def test_the_x0_row_has_unit_input_and_the_example_as_target():
    c = ROWS["x0"].coefficients(SIGMA)
    torch.testing.assert_close(c.in_**2 * (0.5**2 + SIGMA**2), torch.ones_like(SIGMA))
    assert c.skip.eq(0).all()
    assert c.out.eq(1).all()


def test_an_euler_step_in_sigma_is_an_euler_step_in_flow_time():
    x0, eps, velocity = torch.randn(
        3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    sigma, to = torch.tensor([3.0, 0.7], dtype=torch.float64)
    t, t_to = sigma / (1 + sigma), to / (1 + to)
    x = x0 + sigma * eps
    c = ROWS["flow"].coefficients(sigma[None])
    estimate = c.skip * x + c.out * velocity
    in_sigma = x + (to - sigma) / sigma * (x - estimate)
    in_time = x / (1 + sigma) + (t_to - t) * velocity
    torch.testing.assert_close(in_sigma / (1 + to), in_time)


@every_row
def test_the_noise_signal_is_of_order_one_and_increasing(row):
    noise = row.coefficients(SIGMA).noise
    assert noise.abs().max() < 3
    assert noise.diff().ge(0).all()


def test_the_variance_preserving_rows_are_told_the_schedules_step():
    schedule = Linear(LinearOptions())
    k = torch.tensor([0, 1, 499, 999])
    sigma = schedule.sigma(k / 999)
    torch.testing.assert_close(
        Eps(PathOptions(), schedule).coefficients(sigma).noise * 999, k.double(), atol=1e-3, rtol=0
    )


@every_row
def test_coefficients_keep_the_type_they_are_asked_in(row):
    assert {c.dtype for c in row.coefficients(SIGMA.float())} == {torch.float32}


@pytest.mark.parametrize("make", [Edm, X0, Eps, V, Flow])
def test_single_precision_is_close_to_double(make):
    row = make(EdmOptions(sigma_data=1.0), Cosine(CosineOptions()))
    for single, double in zip(
        row.coefficients(SIGMA.float()), row.coefficients(SIGMA), strict=True
    ):
        torch.testing.assert_close(single.double(), double, atol=1e-5, rtol=1e-5)
