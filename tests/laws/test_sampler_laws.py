"""Samplers side by side. What each obeys by itself is the sampler contract: see tests/testing."""

from __future__ import annotations

import pytest
import torch

from difftool.testing.parts import load
from difftool.testing.sampler import convergence, levels, nonlinear_denoise, run, seeded

BUILT_IN = ["ddpm", "ddim", "euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "pndm"]


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_order_is_understated(name):
    assert convergence(name, {})[0] == pytest.approx([load("sampler", name)[0].order] * 2, abs=0.2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ddim", {}), ("euler", {})),
        (("ddim", {"eta": 1.0}), ("ddpm", {})),
        (("euler_ancestral", {"eta": 0.3}), ("ddim", {"eta": 0.3})),
        (("dpmpp_2m_sde", {"eta": 0.0}), ("dpmpp_2m", {})),
        (("dpmpp_sde", {"eta": 0.0}), ("dpmpp_2s", {})),
        (("dpm_solver", {"order": 1}), ("euler", {})),
        (("restart", {"restarts": 0}), ("heun", {})),
    ],
    ids=str,
)
def test_samplers_that_meet(one, other):
    x, sigmas = 10 * seeded((2, 5))(), [*levels(8), 0.0]
    a, b = (run(name, knobs, x, sigmas, nonlinear_denoise)[-1] for name, knobs in (one, other))
    torch.testing.assert_close(a.x, b.x)
