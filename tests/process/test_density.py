"""Densities: what is drawn is what the quantile function says; a new one joins by registering."""

from __future__ import annotations

import math

import pytest
import torch

from difftool.process import options as o
from difftool.process.density import LogNormal, Uniform
from difftool.process.schedule import Flow, Karras, Linear
from difftool.registry import Registry
from difftool.rng import Stream, Streams

REGISTRY = Registry.load_all()
KARRAS = Karras(o.KarrasOptions())
SPECS = REGISTRY.specs("density")
DENSITIES = {spec.name: REGISTRY.load(spec)(REGISTRY.options(spec)(), KARRAS) for spec in SPECS}
EXPECTED = {"uniform", "stratified", "lognormal", "logit-normal"}

every_density = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES.keys())


def test_all_the_densities_are_registered():
    assert set(DENSITIES) >= EXPECTED


@every_density
def test_levels_are_single_precision_numbers_within_the_schedule(density):
    sigma = density.draw(4096, Stream(0, "test"))
    assert (sigma.shape, sigma.dtype) == ((4096,), torch.float32)
    assert sigma.min() >= 0.9999 * KARRAS.sigma_min
    assert sigma.max() <= 1.0001 * KARRAS.sigma_max
    assert torch.equal(sigma, density.draw(4096, Stream(0, "test")))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_quantiles_are_those_of_the_draws(name):
    u = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95], dtype=torch.float64)
    density = DENSITIES[name]
    drawn = density.draw(20_000, Stream(0, "test")).double().log().quantile(u)
    torch.testing.assert_close(drawn, density.quantile(u).log(), atol=0.08, rtol=0)


def test_moments():
    edm = LogNormal(o.LogNormalOptions(), KARRAS).draw(20_000, Stream(0, "test")).log()
    assert [edm.mean().item(), edm.std().item()] == pytest.approx([-1.2, 1.2], abs=0.03)
    sd3 = LogNormal(o.LogitNormalOptions(), Flow(o.FlowOptions())).draw(20_000, Stream(0, "test"))
    logit = (sd3 / (1 + sd3)).logit()
    assert [logit.mean().item(), logit.std().item()] == pytest.approx([0, 1], abs=0.03)


@pytest.mark.parametrize("schedule", [KARRAS, Linear(o.LinearOptions()), Flow(o.FlowOptions())], ids=lambda s: type(s).__name__)
def test_uniform_is_uniform_in_the_schedules_time(schedule):
    t = schedule.time(Uniform(o.UniformOptions(), schedule).draw(10_000, Stream(0, "test")))
    torch.testing.assert_close(t.sort().values, torch.linspace(0, 1, 10_000, dtype=torch.float64), atol=0.03, rtol=0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_stratified_batch_has_one_level_in_each_part(spec):
    if spec.name not in EXPECTED:
        pytest.skip("a plugin's density need not know stratification")
    options = REGISTRY.options(spec)(stratified=True)
    density, n = REGISTRY.load(spec)(options, KARRAS), 16
    edges = density.quantile(torch.linspace(0, 1, n + 1, dtype=torch.float64))
    for step in range(5):
        sigma = density.draw(n, Stream(0, "test", step)).double()
        start = torch.bucketize(sigma, edges) - 1
        assert sorted(start.tolist()) == list(range(n))


def test_each_level_of_a_stratified_batch_is_uniform_by_itself():
    density = DENSITIES["stratified"]
    first = torch.stack([density.draw(8, Stream(0, "test", step))[0] for step in range(2000)])
    t = KARRAS.time(first)
    assert [t.mean().item(), t.std().item()] == pytest.approx([0.5, 1 / math.sqrt(12)], abs=0.02)


@every_density
def test_streams_of_single_examples_serve_as_well(density):
    sigma = density.draw(3, Streams(0, "test", [4, 5, 6]))
    assert sigma.shape == (3,)
