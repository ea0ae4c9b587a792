"""The contract of a process: preconditioning, density, weighting and schedule together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from ..process.process import Coefficients, Process
from ..rng import Stream, Streams
from .parts import load, named, registry


class _Ends:
    """A source of numbers over their whole range, down to the rarest."""

    device = torch.device("cpu")

    def uniform(self, shape: Sequence[int]) -> Tensor:
        return torch.linspace(0, 1 - 2**-24, math.prod(shape)).reshape(tuple(shape))

    def normal(self, shape: Sequence[int]) -> Tensor:
        return torch.linspace(-6, 6, math.prod(shape)).reshape(tuple(shape))


def process_contract(
    name: str,
    options: dict[str, Any] | None = None,
    *,
    density: str = "",
    weighting: str = "",
    schedule: str = "",
) -> type:
    """Tests that check a process and its density, weighting and schedule against their contracts.

    Args:
        density, weighting, schedule: names of others than the defaults of the process.
    """
    spec = registry().process(name)
    columns = {"density": density, "weighting": weighting, "schedule": schedule}
    tested = next(((chosen, kind) for kind, chosen in columns.items() if chosen), (name, "process"))

    def column(kind: str, chosen: str, *context: Any) -> Any:
        target, settings = load(kind, chosen or getattr(spec, kind))
        return target(settings, *context)

    def built() -> Process:
        visited = column("schedule", schedule)
        target, settings = load("process", name, **(options or {}))
        row = target(settings, visited)
        return Process(
            row, column("density", density, visited), column("weighting", weighting, row), visited
        )

    def rows(n: int = 101) -> tuple[Process, Tensor, Coefficients]:
        """The process, noise levels over its whole range, and the coefficients at these levels."""
        process = built()
        sigma = process.schedule.sigma(torch.linspace(0, 1, n, dtype=torch.float64))
        return process, sigma, process.preconditioning.coefficients(sigma)

    class ProcessContract:
        def test_coefficients_are_finite_and_one_for_each_level(self) -> None:
            _, sigma, c = rows()
            for value in c:
                assert value.shape == sigma.shape
                assert value.isfinite().all()
            assert c.out.ne(0).all()
            assert c.in_.gt(0).all()

        def test_coefficients_keep_the_type_they_are_asked_in(self) -> None:
            process, sigma, double = rows()
            single = process.preconditioning.coefficients(sigma.float())
            assert {value.dtype for value in single} == {torch.float32}
            for one, other in zip(single, double, strict=True):
                torch.testing.assert_close(one.double(), other, atol=1e-4, rtol=1e-4)

        def test_the_network_s_input_has_about_unit_variance(self) -> None:
            process, sigma, c = rows()
            noise = 0 if process.preconditioning.degradation((1, 4)) else sigma**2
            variance = c.in_**2 * (process.preconditioning.sigma_data**2 + noise)
            assert 0.2 < variance.min() <= variance.max() < 4
            assert abs(variance[-1] - 1) < 0.1, (
                "at the highest level the input is noise, and its variance should be 1"
            )

        def test_the_network_s_target_has_about_unit_variance(self) -> None:
            process, sigma, c = rows()
            variance = (
                (1 - c.skip) ** 2 * process.preconditioning.sigma_data**2 + c.skip**2 * sigma**2
            ) / c.out**2
            assert 0.2 < variance.min() <= variance.max() < 4
            assert variance.max() < 1.8 * variance.min(), (
                "the target should be as large at every level, so that no level rules the gradient"
            )

        def test_the_noise_signal_is_of_order_one_and_tells_levels_apart(self) -> None:
            _, _, c = rows()
            assert c.noise.abs().max() < 5
            assert c.noise.diff().ge(0).all()
            assert c.noise[-1] - c.noise[0] > 0.5

        def test_the_density_draws_levels_of_the_schedule(self) -> None:
            process = built()
            sigma = process.density.draw(2048, Stream(0, "contract"))
            assert (sigma.shape, sigma.dtype) == ((2048,), torch.float32)
            assert sigma.min() >= 0.999 * process.schedule.sigma_min
            assert sigma.max() <= 1.001 * process.schedule.sigma_max
            torch.manual_seed(1)  # it draws from its stream alone
            assert torch.equal(sigma, process.density.draw(2048, Stream(0, "contract")))
            assert process.density.draw(3, Streams(0, "contract", [4, 5, 6])).shape == (3,)

        def test_the_rarest_draws_are_levels_of_the_schedule_too(self) -> None:
            process = built()
            sigma = process.density.draw(1001, _Ends())
            assert sigma.isfinite().all()
            assert sigma.min() >= 0.999 * process.schedule.sigma_min
            assert sigma.max() <= 1.001 * process.schedule.sigma_max

        def test_the_loss_of_the_best_denoiser_is_of_order_one(self) -> None:
            process, sigma, _ = rows()
            sd = process.preconditioning.sigma_data
            weight = process.weighting.weight(sigma)
            loss = weight * (sigma * sd) ** 2 / (sigma**2 + sd**2)
            assert weight.isfinite().all()
            assert weight.gt(0).all()
            assert 0.05 < loss.max() < 5

        def test_the_schedule_rises_and_time_is_its_inverse(self) -> None:
            scheduled = built().schedule
            t = torch.linspace(0, 1, 101, dtype=torch.float64)
            sigma = scheduled.sigma(t)
            assert sigma.dtype == torch.float64
            assert sigma.diff().gt(0).all()
            assert [sigma[0].item(), sigma[-1].item()] == pytest.approx(
                [scheduled.sigma_min, scheduled.sigma_max]
            )
            torch.testing.assert_close(scheduled.time(sigma), t, atol=1e-6, rtol=0)

        @pytest.mark.parametrize("n", [1, 2, 3, 50])
        def test_a_sampler_visits_n_levels_and_then_zero(self, n: int) -> None:
            sigmas = built().schedule.sigmas(n)
            assert len(sigmas) == n + 1
            assert sigmas[-1] == 0
            assert all(a > b for a, b in pairwise(sigmas))
            assert all(type(sigma) is float and math.isfinite(sigma) for sigma in sigmas)

    return named(ProcessContract, *tested)
