"""The contract of a sampler, tested on data whose denoiser and solution are known exactly.

For data N(0, sd^2) the denoiser is linear, D(x; sigma) = x sd^2 / (sd^2 + sigma^2), and so is every
sampler in (x, noise). Replace x and each draw of noise by orthogonal unit vectors: the variance of
the result is then a squared norm, which is exact and needs no averaging. For a deterministic
sampler it is the square of the ODE's solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from ..noise import brownian
from ..rng import Streams
from ..sampler import Denoise, Noise, Step
from ..samplers.order import stated_order
from ..space import Euclidean
from .parts import load, named

SIGMA_DATA = 0.5
DRAWS = 12
"""The most draws of noise that a sampler may make in a step, on average."""


def gaussian_denoise(x: Tensor, sigma: float) -> Tensor:
    """D for data N(0, sigma_data^2): the posterior mean."""
    return x * (SIGMA_DATA**2 / (SIGMA_DATA**2 + sigma**2))


def nonlinear_denoise(x: Tensor, sigma: float) -> Tensor:
    """A smooth nonlinear D, with which a missing term changes the result."""
    return torch.tanh(x / (1 + sigma**2)) / 2


def levels(n: int, low: float = 0.05, high: float = 10.0, rho: float = 3.0) -> list[float]:
    """n + 1 levels on a smooth grid that stops short of 0   (Karras et al. 2022, Eq. 5)."""
    first, last = high ** (1 / rho), low ** (1 / rho)
    return [(first + i / n * (last - first)) ** rho for i in range(n + 1)]


def seeded(shape: tuple[int, ...], seed: int = 0) -> Callable[..., Tensor]:
    """Unit noise for any interval; each call restarts the draws, one stream per example."""
    streams = Streams(seed, "contract", range(shape[0]))
    return lambda *interval: streams.normal(shape).double()


def one_path(shape: tuple[int, ...], seed: int = 1) -> Noise:
    """The increments of one Brownian path for each example."""
    path = brownian(Euclidean(), seed, "contract", range(shape[0]), shape, torch.device("cpu"))(0)
    return lambda sigma, sigma_next: path(sigma, sigma_next).double()


def _no_noise(sigma: float, sigma_next: float) -> Tensor:
    """Noise that spoils every number that it is added to."""
    return torch.full((2, 5), torch.nan, dtype=torch.float64)


def run(
    name: str,
    knobs: dict[str, Any],
    x: Tensor,
    sigmas: Sequence[float],
    denoise: Denoise = gaussian_denoise,
    noise: Noise | None = None,
) -> list[Step]:
    """All steps of a sampler."""
    sampler, options = load("sampler", name, **knobs)
    return list(
        sampler(denoise, x, sigmas, noise or seeded(tuple(x.shape), 1), **options.model_dump())
    )


def unit_vector(i: int, size: int) -> Tensor:
    """``[1, size]``: 1 at place i."""
    vector = torch.zeros(1, size, dtype=torch.float64)
    vector[0, i] = 1
    return vector


def variance(name: str, knobs: dict[str, Any], sigmas: list[float]) -> float:
    """Variance of the result for data N(0, sigma_data^2), started with the correct variance."""
    size = DRAWS * len(sigmas)
    draws: Iterator[Tensor] = (unit_vector(i, size) for i in range(1, size))
    x = unit_vector(0, size) * math.sqrt(SIGMA_DATA**2 + sigmas[0] ** 2)
    return (
        run(name, knobs, x, sigmas, noise=lambda sigma, sigma_next: next(draws))[-1]
        .x.square()
        .sum()
        .item()
    )


def convergence(name: str, knobs: dict[str, Any]) -> tuple[list[float], float]:
    """The orders between 64, 128 and 256 steps, and the relative error with 256."""
    errors = []
    for n in (64, 128, 256):
        sigmas = levels(n)
        errors.append(abs(variance(name, knobs, sigmas) / (SIGMA_DATA**2 + sigmas[-1] ** 2) - 1))
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)], errors[-1]


def sampler_contract(name: str, options: dict[str, Any] | None = None) -> type:
    """Tests that check a sampler against its contract.

    Args:
        options: settings other than the defaults.
    """
    knobs = options or {}

    def order() -> int:
        """The stated order; the test is skipped if the sampler solves no equation."""
        sampler, settings = load("sampler", name, **knobs)
        stated = stated_order(sampler, settings.model_dump())
        if stated is None:
            pytest.skip("it solves no equation")
        return stated

    class SamplerContract:
        def test_its_order_is_stated(self) -> None:
            sampler, settings = load("sampler", name, **knobs)
            assert hasattr(sampler, "order"), (
                f"declare the order of {name} with @difftool.order(p) above the function; "
                "@difftool.order(None) if it solves no equation"
            )
            assert stated_order(sampler, settings.model_dump()) in (None, 0, 1, 2, 3, 4, 5)

        def test_it_converges_with_the_stated_order(self) -> None:
            """Half the step divides the error of the variance by at least 2^order.

            Some samplers gain an order on this data. One of order 0 need only be near.
            """
            stated = order()
            rates, error = convergence(name, knobs)
            assert stated == 0 or min(rates) > stated - 0.2
            assert error < 0.05

        def test_it_converges_with_the_stated_order_where_the_denoiser_is_not_linear(self) -> None:
            """Of a sampler without noise; on linear data, some gain an order."""
            stated = order()
            if stated == 0:
                pytest.skip("its settings bound its error")
            x = 10 * seeded((2, 5))()
            ends = [
                run(name, knobs, x, levels(n), nonlinear_denoise, _no_noise)[-1].x
                for n in (128, 256, 2048)
            ]
            if any(end.isnan().any() for end in ends):
                pytest.skip("it draws noise")
            errors = [(end - ends[-1]).square().mean().sqrt().item() for end in ends[:-1]]
            assert errors[1] < 1e-9 or math.log2(errors[0] / errors[1]) > stated - 0.3

        @pytest.mark.parametrize("n", [1, 2, 3, 7])
        def test_a_point_mass_is_reached_exactly_in_any_number_of_steps(self, n: int) -> None:
            point = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
            x = point + 10 * seeded((1, 3))()
            steps = run(name, knobs, x, [*levels(n)[:n], 0.0], lambda x, sigma: point.clone())
            torch.testing.assert_close(steps[-1].x, point)
            for step in steps:  # previews and tuning look at the estimate of each step
                torch.testing.assert_close(step.x0, point)

        @pytest.mark.parametrize("end", [0.0, 0.05])
        @pytest.mark.parametrize("n", [1, 2, 5])
        def test_one_record_a_step(self, n: int, end: float) -> None:
            sigmas = [*levels(5)[:n], end]
            x = seeded((2, 3, 4))()
            steps = run(name, knobs, x, sigmas, nonlinear_denoise)
            assert [step.index for step in steps] == list(range(n))
            assert [step.sigma for step in steps] == sigmas[1:]
            assert all(
                step.x.shape == step.x0.shape == x.shape and step.x.isfinite().all()
                for step in steps
            )

        def test_no_step_is_no_work(self) -> None:
            assert run(name, knobs, torch.ones(1, 2), [1.0]) == []

        def test_nothing_that_was_handed_over_is_written_to(self) -> None:
            """Neither the tensors of the caller or the denoiser, nor records that were yielded."""
            sampler, settings = load("sampler", name, **knobs)
            given: list[tuple[Tensor, Tensor]] = []

            def keep(tensor: Tensor) -> Tensor:
                given.append((tensor, tensor.clone()))
                return tensor

            def denoise(x: Tensor, sigma: float) -> Tensor:
                keep(x)
                return keep(nonlinear_denoise(x, sigma))

            draw, x = seeded((2, 5), 1), keep(seeded((2, 5))())
            for step in sampler(
                denoise,
                x,
                [*levels(6), 0.0],
                lambda *interval: keep(draw()),
                **settings.model_dump(),
            ):
                keep(step.x)
                keep(step.x0)
            assert all(torch.equal(tensor, copy) for tensor, copy in given)

        def test_a_linear_space_is_never_left(self) -> None:
            """A sampler only scales and adds tensors, so it stays within any linear subspace."""

            def centred(x: Tensor) -> Tensor:
                return x - x.mean(1, keepdim=True)

            draw, x = seeded((2, 6, 3), 1), centred(100 * seeded((2, 6, 3))())
            steps = run(
                name,
                knobs,
                x,
                [*levels(8), 0.0],
                lambda x, sigma: centred(nonlinear_denoise(x, sigma)),
                lambda *interval: centred(draw()),
            )
            for step in steps:
                torch.testing.assert_close(
                    step.x.mean(1), torch.zeros(2, 3, dtype=torch.float64), atol=1e-12, rtol=0
                )

        @pytest.mark.parametrize("end", [0.0, 0.05])
        def test_noise_is_asked_for_the_interval_that_a_step_crosses(self, end: float) -> None:
            """Or for a part of it; one path of noise then works with any number of steps."""
            sampler, settings = load("sampler", name, **knobs)
            sigmas, draw = [*levels(6)[:6], end], seeded((2, 5), 1)
            asked: list[tuple[float, float]] = []

            def noise(sigma: float, sigma_next: float) -> Tensor:
                asked.append((sigma, sigma_next))
                return draw()

            steps = sampler(
                nonlinear_denoise, 10 * seeded((2, 5))(), sigmas, noise, **settings.model_dump()
            )
            for (high, low), _ in zip(pairwise(sigmas), steps, strict=True):
                for sigma, sigma_next in asked:
                    assert high >= sigma > sigma_next >= low, (
                        f"the step from {high:g} to {low:g} calls noise({sigma:g}, {sigma_next:g})"
                    )
                asked.clear()

        def test_on_one_path_of_noise_more_steps_approach_one_result(self) -> None:
            if not getattr(load("sampler", name, **knobs)[0], "pathwise", True):
                pytest.skip(f"{name} declares pathwise=False")
            order()
            x = 10 * seeded((2, 5))()
            coarse, fine, exact = (
                run(name, knobs, x, levels(n), nonlinear_denoise, one_path((2, 5)))[-1].x
                for n in (16, 64, 256)
            )
            errors = [(found - exact).square().mean().sqrt().item() for found in (coarse, fine)]
            assert errors[1] < 0.6 * errors[0], (
                "does the sampler call noise(sigma, sigma_next) with the interval of the step?"
            )
            assert errors[1] < 0.06

        def test_examples_do_not_see_each_other(self) -> None:
            x, sigmas = seeded((5, 7))() * 10, [*levels(8), 0.0]
            together = run(name, knobs, x, sigmas, nonlinear_denoise)[-1].x
            alone = run(name, knobs, x[:2], sigmas, nonlinear_denoise)[-1].x
            torch.testing.assert_close(together[:2], alone)

        def test_the_same_noise_gives_the_same_result(self) -> None:
            x, sigmas = seeded((2, 5))() * 10, [*levels(8), 0.0]
            one, other = (run(name, knobs, x, sigmas, nonlinear_denoise)[-1].x for _ in range(2))
            assert torch.equal(one, other)

        def test_single_precision_stays_so_and_agrees_with_double(self) -> None:
            sigmas, x = [*levels(12, low=0.002), 0.0], 10 * seeded((2, 5))()
            double = run(name, knobs, x, sigmas, nonlinear_denoise)[-1].x
            draw = seeded((2, 5), 1)
            steps = run(
                name, knobs, x.float(), sigmas, nonlinear_denoise, lambda *interval: draw().float()
            )
            assert {t.dtype for step in steps for t in (step.x, step.x0)} == {torch.float32}
            torch.testing.assert_close(steps[-1].x.double(), double, atol=1e-5, rtol=1e-5)

    return named(SamplerContract, name)
