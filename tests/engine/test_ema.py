"""Averages of the weights: the profiles they claim, and any horizon after training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from difftool.engine.ema import (
    Ema,
    Exponential,
    Power,
    gamma_of_width,
    lerp_in_one_pass,
    posthoc_weights,
)
from difftool.settings import EmaOptions


@pytest.mark.parametrize("width", [0.02, 0.05, 0.1, 0.2, 0.25])
def test_gamma_gives_the_width(width):
    g = gamma_of_width(width)
    assert np.sqrt(g + 1) / ((g + 2) * np.sqrt(g + 3)) == pytest.approx(width, rel=1e-9)


def test_half_life():
    profile = Exponential(halflife=1000, rampup=0)
    assert profile.beta(10**6, 10) ** 100 == pytest.approx(0.5)


def test_rampup_limits_the_half_life_early():
    assert Exponential(1000, 0.05).beta(seen=100, batch=5) == pytest.approx(0.5)


def test_a_power_average_is_the_integral_of_its_profile():
    """Averaging w(t) = t must give the mean of the profile, (gamma + 1) / (gamma + 2) of the end."""
    gamma, average, steps = gamma_of_width(0.1), 0.0, 20_000
    for t in range(1, steps + 1):
        average += (1 - Power(0.1).beta(t, 1)) * (t - average)
    assert average / steps == pytest.approx((gamma + 1) / (gamma + 2), rel=1e-3)


def test_several_averages_of_a_model_at_once():
    model = nn.Linear(3, 2)
    ema = Ema(
        dict(model.named_parameters()), EmaOptions(halflife=(10, 100), rampup=0, power=(0.05, 0.1))
    )
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    ema.update(seen=10_000, batch=10)
    for profile in ema.profiles:
        beta = profile.beta(10_000, 10)
        for name, average in ema.tensors(profile.name).items():
            torch.testing.assert_close(average, start[name] + (1 - beta))


def test_applied_puts_the_weights_back_exactly():
    model = nn.Linear(3, 2)
    ema = Ema(dict(model.named_parameters()), EmaOptions())
    with torch.no_grad():
        model.weight.mul_(3)
    before = model.weight.detach().clone()
    with ema.applied():
        assert not torch.equal(model.weight, before)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("width", [0.06, 0.08, 0.12])
def test_any_width_after_training(width):
    """An average reconstructed from snapshots of two widths is close to the one tracked all along (EDM2, Sec. 3.2)."""
    steps, every = 4000, 250
    w = np.cumsum(np.random.default_rng(0).normal(size=steps)) + 0.01 * np.arange(steps)
    tracked = dict.fromkeys((0.05, 0.15, width), 0.0)
    snapshots, values = [], []
    for t in range(1, steps + 1):
        for a in tracked:
            tracked[a] += (1 - Power(a).beta(t, 1)) * (w[t - 1] - tracked[a])
        if t % every == 0:
            for a in (0.05, 0.15):
                snapshots.append((float(t), a))
                values.append(tracked[a])
    weights = posthoc_weights(snapshots, steps, width)
    assert weights.sum() == pytest.approx(1, abs=0.02)
    error = abs(weights @ np.array(values) - tracked[width])
    assert error < 0.01 * (w.max() - w.min())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"halflife": (500, 500)}, "same average twice"),
        ({"halflife": (1000000, 1000001)}, "six digits"),
        ({"halflife": ()}, "no average"),
    ],
)
def test_averages_that_could_not_be_told_apart_or_are_missing_are_refused(given, said):
    """Two of one name would share their tensors, and take in every step twice."""
    with pytest.raises(ValueError, match=said):
        EmaOptions(**given)


def test_the_average_of_a_recorded_step_is_the_same_formula():
    """On a CUDA device the weight of an average is a tensor there, which a graph can be given anew."""
    generator = torch.Generator().manual_seed(0)
    averages, values = ([torch.randn(5, 3, generator=generator)] for _ in range(2))
    expected = averages[0].lerp(values[0], 0.013)
    before = values[0].clone()
    lerp_in_one_pass(averages, values, torch.tensor(0.013))
    assert torch.allclose(averages[0], expected, rtol=1e-6, atol=1e-7)
    assert torch.equal(values[0], before)
