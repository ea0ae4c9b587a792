"""What every sampler obeys; a new one joins by registering.

For data N(0, sd^2) the denoiser is linear, D(x; sigma) = x sd^2 / (sd^2 + sigma^2), and so is every sampler in (x, noise). If x
and each draw of noise are therefore orthogonal unit vectors instead of random numbers, the variance of the result is a
squared norm: exact, with nothing to average over. For a deterministic sampler it is the square of the ODE's solution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from difftool.process.options import KarrasOptions
from difftool.process.schedule import Karras
from difftool.registry import Registry

REGISTRY = Registry.load_all()
SAMPLERS = {spec.name: REGISTRY.load(spec) for spec in REGISTRY.specs("sampler")}
EXPECTED = {"ddpm", "ddim", "euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "pndm"}
KNOBS = [
    *((name, {}) for name in SAMPLERS),
    ("ddim", {"eta": 0.5}),
    ("ddim", {"eta": 1.0}),
    ("ddpm", {"variance": "large"}),
    ("euler_ancestral", {"eta": 0.3}),
    ("heun", {"s_churn": 3.0}),
    ("heun", {"s_churn": 3.0, "s_min": 0.1, "s_max": 2.0}),
    ("dpmpp_2m_sde", {"eta": 0.4}),
]
SD = 0.5

every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
every_setting = pytest.mark.parametrize(("name", "knobs"), KNOBS, ids=lambda value: str(value))


def linear(x: Tensor, sigma: float) -> Tensor:
    return x * (SD**2 / (SD**2 + sigma**2))


def nonlinear(x: Tensor, sigma: float) -> Tensor:
    return torch.tanh(x / (1 + sigma**2)) / 2


def seeded(shape: tuple[int, ...], seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=generator, dtype=torch.float64)


def levels(n: int, sigma_min: float = 0.05) -> list[float]:
    """n steps on a smooth grid that stops short of 0."""
    return Karras(KarrasOptions(sigma_min=sigma_min, sigma_max=10, rho=3)).sigmas(n + 1)[:-1]


def variance(name: str, knobs: dict, sigmas: list[float]) -> float:
    """Variance of the sampler's result for data N(0, SD^2), started from the right one."""
    basis = torch.eye(2 * len(sigmas), dtype=torch.float64)
    draws: Iterator[Tensor] = iter(basis[1:].split(1))
    x = basis[:1] * math.sqrt(SD**2 + sigmas[0] ** 2)
    for step in SAMPLERS[name](linear, x, sigmas, lambda: next(draws).clone(), **knobs):
        x = step.x
    return x.square().sum().item()


def test_all_the_samplers_are_registered():
    assert set(SAMPLERS) >= EXPECTED


@every_setting
def test_measured_order_is_the_stated_order(name, knobs):
    errors = []
    for n in (64, 128, 256):
        sigmas = levels(n)
        errors.append(abs(variance(name, knobs, sigmas) / (SD**2 + sigmas[-1] ** 2) - 1))
    rates = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    assert rates == pytest.approx([SAMPLERS[name].order] * 2, abs=0.2)
    assert errors[-1] < 0.05


@every_setting
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_a_point_mass_is_reached_exactly_in_any_number_of_steps(name, knobs, n):
    point = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    x = point + 10 * seeded((1, 3))()
    *_, last = SAMPLERS[name](lambda x, sigma: point.clone(), x, [*levels(n)[:n], 0.0], seeded((1, 3), 1), **knobs)
    torch.testing.assert_close(last.x, point)


@every_sampler
@pytest.mark.parametrize("end", [0.0, 0.05])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_one_record_a_step(sampler, n, end):
    sigmas = [*levels(5)[:n], end]
    x = seeded((2, 3, 4))()
    steps = list(sampler(nonlinear, x, sigmas, seeded((2, 3, 4), 1)))
    assert [step.index for step in steps] == list(range(n))
    assert [step.sigma for step in steps] == sigmas[1:]
    assert all(step.x.shape == step.x0.shape == x.shape and step.x.isfinite().all() for step in steps)


@every_setting
def test_nothing_that_was_handed_over_is_written_to(name, knobs):
    given: list[tuple[Tensor, Tensor]] = []

    def keep(tensor: Tensor) -> Tensor:
        given.append((tensor, tensor.clone()))
        return tensor

    def denoise(x: Tensor, sigma: float) -> Tensor:
        keep(x)
        return keep(nonlinear(x, sigma))

    draw = seeded((2, 5), 1)
    for step in SAMPLERS[name](denoise, keep(seeded((2, 5))()), [*levels(6), 0.0], lambda: keep(draw()), **knobs):
        keep(step.x)
        keep(step.x0)
    assert all(torch.equal(tensor, copy) for tensor, copy in given)


@every_setting
def test_a_linear_space_is_never_left(name, knobs):
    def centred(x: Tensor) -> Tensor:
        return x - x.mean(1, keepdim=True)

    draw = seeded((2, 6, 3), 1)
    x = centred(10 * seeded((2, 6, 3))())
    for step in SAMPLERS[name](lambda x, sigma: centred(nonlinear(x, sigma)), x, [*levels(8), 0.0], lambda: centred(draw()), **knobs):
        torch.testing.assert_close(step.x.mean(1), torch.zeros(2, 3, dtype=torch.float64), atol=1e-12, rtol=0)


@every_sampler
def test_single_precision_stays_so_and_agrees_with_double(sampler):
    sigmas = [*levels(12, sigma_min=0.002), 0.0]
    x = 10 * seeded((2, 5))()
    *_, double = sampler(nonlinear, x, sigmas, seeded((2, 5), 1))
    draw = seeded((2, 5), 1)
    *_, single = sampler(nonlinear, x.float(), sigmas, lambda: draw().float())
    assert single.x.dtype == torch.float32
    torch.testing.assert_close(single.x.double(), double.x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ddim", {}), ("euler", {})),
        (("ddim", {"eta": 1.0}), ("ddpm", {})),
        (("euler_ancestral", {"eta": 0.3}), ("ddim", {"eta": 0.3})),
        (("dpmpp_2m_sde", {"eta": 0.0}), ("dpmpp_2m", {})),
    ],
    ids=str,
)
def test_samplers_that_meet(one, other):
    x, sigmas = 10 * seeded((2, 5))(), [*levels(8), 0.0]
    (*_, a), (*_, b) = (SAMPLERS[name](nonlinear, x, sigmas, seeded((2, 5), 1), **knobs) for name, knobs in (one, other))
    torch.testing.assert_close(a.x, b.x)
