"""Likelihood equals the closed form on data whose density is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from difftool.batch import Batch
from difftool.description import Description
from difftool.metrics.likelihood import (
    Likelihood,
    degrees_of_freedom,
    dequantised,
    directions,
    log_likelihood,
    log_spaced,
    square,
    variational_bound,
)
from difftool.metrics.options import LikelihoodOptions
from difftool.nn.backbone import Signals
from difftool.rng import Stream
from difftool.space import Euclidean, Space

LOW, HIGH = 0.002, 200.0
COVARIANCE = torch.tensor([[0.5, 0.3, 0.0], [0.3, 0.4, 0.1], [0.0, 0.1, 0.2]], dtype=torch.float64)


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """D of N(0, COVARIANCE)."""
    eye = torch.eye(3, dtype=torch.float64)
    return x @ torch.linalg.solve(COVARIANCE + sigma**2 * eye, COVARIANCE)


def density(x: Tensor, covariance: Tensor = COVARIANCE) -> Tensor:
    mean = torch.zeros(len(covariance), dtype=torch.float64)
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)


def examples(n: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return z @ torch.linalg.cholesky(COVARIANCE).T


def found(
    x: Tensor, steps: int = 60, probes: int | None = None, space: Space | None = None, d=gaussian
):
    space, rng = space or Euclidean(), Stream(0, "test")
    dof = degrees_of_freedom(space, x, None, rng)
    some = directions(space, x, None, probes, dof, rng)
    levels = log_spaced(LOW, HIGH, steps)
    return log_likelihood(d, x, space, levels, dof, some, exact=probes is None)


def test_the_likelihood_of_a_gaussian_is_its_density():
    x = examples()
    torch.testing.assert_close(found(x), density(x), atol=1e-3, rtol=1e-3)


def test_random_directions_give_it_on_average():
    x = examples(1).expand(400, 3)
    estimates = found(x, probes=1)
    assert estimates.std() > 0.05
    error = estimates.std().item() / 20
    assert estimates.mean().item() == pytest.approx(density(x[:1]).item(), abs=4 * error)
    assert found(x, probes=4).std() < 0.6 * estimates.std()


def test_the_variational_bound_lies_above_and_near():
    """It is tight for continuous time; what remains is the estimate at finitely many levels."""
    x, space, rng = examples(400), Euclidean(), Stream(0, "bound")
    dof = torch.full((400,), 3.0, dtype=torch.float64)
    bound = variational_bound(gaussian, x, space, log_spaced(LOW, HIGH, 1), dof, None, 64, rng)
    gap = (bound + density(x)).mean().item()
    assert abs(gap) < 4 * (bound + density(x)).std().item() / 20 + 0.02


class Centred(Space):
    """Without the mean of the entries."""

    def noise(self, shape, rng, mask=None):
        return self.project(rng.normal(shape).double(), mask)

    def project(self, x, mask=None):
        return x - x.mean(1, keepdim=True)

    def mean_square(self, error, mask=None):
        return error.square().sum(1) / (error.shape[1] - 1)


@pytest.mark.parametrize("probes", [None, 1])
def test_without_a_centre_of_mass_there_is_one_degree_of_freedom_less(probes):
    """N(0, v) in the plane that is orthogonal to (1, 1, 1); its directions all see the same."""
    v, space = 0.3, Centred()
    x = space.project(examples())
    expected = -math.log(2 * math.pi * v) - square(x) / (2 * v)
    d = found(x, probes=probes, space=space, d=lambda x, sigma: v / (v + sigma**2) * x)
    torch.testing.assert_close(d, expected, atol=1e-3, rtol=1e-3)


class Scaled:
    """Bytes as numbers from -1 to 1, or their squares."""

    space = Euclidean()

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def encode(self, raw: Batch) -> Batch:
        return raw.with_x((raw.x.float() / 127.5).pow(self.power) - 1)


def test_bytes_are_spread_evenly_over_their_bins():
    raw = Batch(torch.full((50, 4), 100, dtype=torch.uint8))
    batch, log_width = dequantised(Scaled(), raw, Stream(0, "test"))
    assert log_width == pytest.approx(math.log(1 / 127.5), abs=1e-3)
    places = (batch.x + 1) * 127.5 - 100
    assert -0.5 <= places.min() < -0.45
    assert 0.45 < places.max() <= 0.501


@pytest.mark.parametrize(
    "raw",
    [torch.rand(2, 3), torch.tensor([[9, 50, 200]], dtype=torch.uint8)],
    ids=["floats", "squares"],
)
def test_what_has_no_bins_is_measured_in_nats(raw):
    batch, log_width = dequantised(Scaled(power=2.0), Batch(raw), Stream(0, "test"))
    assert log_width is None
    assert torch.equal(batch.x, Scaled(power=2.0).encode(Batch(raw)).x)


class OfGaussian:
    """D of N(0, variance), as a model."""

    degradation = second = None

    def __init__(self, variance: float) -> None:
        self.variance = variance

    def signals(self, cond):
        return Signals()

    def __call__(self, x, sigma, signals, mask=None):
        return x * (self.variance / (self.variance + sigma.reshape(-1, 1) ** 2))


def test_bits_per_dimension_are_those_of_the_normal_density():
    """Of bytes from a wide normal distribution, whose bins hold density times width."""
    variance, rng = 0.1, np.random.default_rng(0)
    raw = np.round((rng.normal(0, variance**0.5, (200, 8)) + 1) * 127.5).clip(0, 255)
    model = SimpleNamespace(
        process=SimpleNamespace(schedule=SimpleNamespace(sigma_min=LOW, sigma_max=HIGH)),
        representation=Scaled(),
        denoiser=OfGaussian(variance),
    )
    metric = Likelihood(LikelihoodOptions(), Description((8,), "uint8", 200))
    batch = Batch(torch.from_numpy(raw.astype(np.uint8)))
    numbers = metric.measure_model(model, batch, Stream(0, "test"))
    x = torch.from_numpy(raw / 127.5 - 1)
    nats = 0.5 * math.log(2 * math.pi * variance) + x.square().mean(1) / (2 * variance)
    bits = (nats - math.log(1 / 127.5)) / math.log(2)
    assert numbers["bits_per_dim"].mean().item() == pytest.approx(bits.mean().item(), abs=0.01)
    assert numbers["vlb_bits_per_dim"].mean().item() == pytest.approx(bits.mean().item(), abs=0.1)
