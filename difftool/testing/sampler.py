"""The contract of a sampler, on data whose denoiser and solution are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from ..rng import Streams
from .parts import load

SIGMA_DATA = 0.5


def gaussian_denoise(x: Tensor, sigma: float) -> Tensor:
    """D for data N(0, sigma_data^2): the posterior mean."""
    return x * (SIGMA_DATA**2 / (SIGMA_DATA**2 + sigma**2))


def gaussian_solution(x: Tensor, start: float, end: float) -> Tensor:
    """The probability-flow ODE's solution for that data."""
    return x * math.sqrt((SIGMA_DATA**2 + end**2) / (SIGMA_DATA**2 + start**2))


def karras_levels(n: int, low: float = 0.02, high: float = 10.0, rho: float = 7.0) -> list[float]:
    """n + 1 levels, the last one 0   (Karras et al. 2022, Eq. 5)."""
    ends = high ** (1 / rho), low ** (1 / rho)
    return [(ends[0] + i / max(n - 1, 1) * (ends[1] - ends[0])) ** rho for i in range(n)] + [0.0]


def run(name: str, x: Tensor, sigmas: Sequence[float], denoise: Callable[[Tensor, float], Tensor] = gaussian_denoise, **knobs: Any):
    """Every step of a sampler; its noise is each example's own."""
    sampler, options = load("sampler", name, **knobs)
    streams = Streams(0, "contract", range(len(x)))
    return list(sampler(denoise, x, sigmas, lambda: streams.normal(x.shape), **options.model_dump()))


def sampler_contract(name: str) -> type:
    """Tests that a sampler of this name keeps what every sampler promises."""

    class SamplerContract:
        @pytest.mark.parametrize("n", [1, 2, 3, 25])
        def test_it_visits_every_level_and_ends_at_the_last(self, n):
            sigmas = karras_levels(n)
            steps = run(name, torch.randn(4, 3, 5) * sigmas[0], sigmas)
            assert [step.index for step in steps] == list(range(n))
            assert [step.sigma for step in steps] == sigmas[1:]
            assert all(torch.isfinite(step.x).all() and step.x.shape == (4, 3, 5) for step in steps)

        def test_no_step_is_no_work(self):
            assert run(name, torch.ones(1, 2), [1.0]) == []

        def test_it_leaves_the_caller_s_tensor_alone(self):
            x = torch.randn(2, 8) * 10
            before = x.clone()
            run(name, x, karras_levels(6))
            assert torch.equal(x, before)

        def test_samples_have_the_data_s_spread(self):
            x = Streams(1, "start", range(64)).normal((64, 256)) * 10
            final = run(name, x, karras_levels(60))[-1].x
            assert abs(final.mean()) < 0.03
            assert abs(final.std() / SIGMA_DATA - 1) < 0.1

        def test_examples_do_not_see_each_other(self):
            x = torch.randn(5, 7) * 10
            together = run(name, x, karras_levels(8))[-1].x
            alone = run(name, x[:1], karras_levels(8))[-1].x
            torch.testing.assert_close(together[:1], alone)

        def test_a_perfect_denoiser_is_followed(self):
            x0 = torch.randn(3, 6)
            final = run(name, x0 + 10 * torch.randn(3, 6), karras_levels(10), lambda x, sigma: x0.clone())[-1].x
            torch.testing.assert_close(final, x0, atol=1e-4, rtol=0)

    SamplerContract.__name__ = SamplerContract.__qualname__ = f"SamplerContract_{name}"
    return SamplerContract
