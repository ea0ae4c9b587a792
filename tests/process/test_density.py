"""Densities: what is drawn is what the quantile function says; a new one joins by registering."""

from __future__ import annotations

import math

import pytest
import torch

from difftool.errors import UsageError
from difftool.plugin.registry import Registry
from difftool.process import options as o
from difftool.process.density import LogNormal, Uniform
from difftool.process.schedule import Flow, Karras, Linear
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


@pytest.mark.parametrize(
    "schedule",
    [KARRAS, Linear(o.LinearOptions()), Flow(o.FlowOptions())],
    ids=lambda s: type(s).__name__,
)
def test_uniform_is_uniform_in_the_schedules_time(schedule):
    t = schedule.time(Uniform(o.UniformOptions(), schedule).draw(10_000, Stream(0, "test")))
    torch.testing.assert_close(
        t.sort().values, torch.linspace(0, 1, 10_000, dtype=torch.float64), atol=0.03, rtol=0
    )


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


# --- a range of noise only ---

RANGES = [(0.0, 0.5), (0.1, 0.5), (0.5, None), (2.0, 40.0), (0.0, 80.0)]


def ranged(name: str, low: float, high: float | None, **options):
    spec = REGISTRY.get("density", name)
    return REGISTRY.load(spec)(REGISTRY.options(spec)(low=low, high=high, **options), KARRAS)


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_range_has_the_levels_that_the_whole_density_has_there(name, low, high):
    """As if all others had been thrown away: compared by quantiles, with the steps of a share of 20,000 draws."""
    density, top = ranged(name, low, high), high or 80.0
    drawn = density.draw(20_000, Stream(0, "test")).double()
    assert drawn.min() >= max(low, KARRAS.sigma_min) * (1 - 1e-6)
    assert drawn.max() <= top * (1 + 1e-6)
    assert (density.low, density.high) == (low, math.inf if high is None else high)
    whole = DENSITIES[name].draw(400_000, Stream(1, "test")).double()
    kept = whole[(whole >= low) & (whole <= top)]
    u = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9], dtype=torch.float64)
    below = (kept[:, None] < drawn.quantile(u)).double().mean(0)
    torch.testing.assert_close(below, u, atol=5 / math.sqrt(min(len(kept), 20_000)), rtol=0)


def test_a_range_of_a_normal_is_the_truncated_normal():
    drawn = ranged("lognormal", 0.2, 0.6).draw(50_000, Stream(0, "test")).double().log()
    a, b = ((math.log(edge) + 1.2) / 1.2 for edge in (0.2, 0.6))
    pdf = [math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) for z in (a, b)]
    mass = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
    mean = (pdf[0] - pdf[1]) / mass
    variance = 1 + (a * pdf[0] - b * pdf[1]) / mass - mean**2
    assert drawn.mean().item() == pytest.approx(-1.2 + 1.2 * mean, abs=0.005)
    assert drawn.std().item() == pytest.approx(1.2 * math.sqrt(variance), abs=0.005)


def test_what_the_schedule_clips_lies_at_its_end_in_a_range_as_well():
    wide = {"p_mean": 4.0, "p_std": 1.0}  # a third of all levels would be above 80
    whole, part = (
        ranged("lognormal", low, None, **wide).draw(50_000, Stream(0, "test"))
        for low in (0.0, 30.0)
    )
    share = (whole == 80).sum() / (whole >= 30).sum()
    assert (part == 80).float().mean().item() == pytest.approx(share.item(), abs=0.02)


def test_far_from_the_middle_levels_are_still_told_apart():
    """A share of 5 in a million lies above 60, and a third of that above 80."""
    drawn = ranged("lognormal", 60.0, None).draw(1000, Stream(0, "test"))
    inside = drawn[drawn < 80]
    assert len(inside.unique()) > 0.99 * len(inside) > 500
    assert drawn.min() >= 60


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_whole_range_draws_what_no_range_does(name):
    assert torch.equal(
        ranged(name, 0.0, 80.0).draw(64, Stream(0, "test")),
        DENSITIES[name].draw(64, Stream(0, "test")),
    )


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_stratified_range_has_one_level_in_each_part_of_it(name):
    density, n = ranged(name, 0.1, 0.5, stratified=True), 16
    first, last = density.share(0.1), density.share(0.5)
    edges = density.quantile(
        first + torch.linspace(0, 1, n + 1, dtype=torch.float64) * (last - first)
    )
    sigma = density.draw(n, Stream(0, "test")).double()
    assert sorted((torch.bucketize(sigma, edges) - 1).clamp(0, n - 1).tolist()) == list(range(n))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("uniform", 90.0, None), ("uniform", 0.0, 0.001), ("lognormal", 80.0, 90.0)],
)
def test_a_range_without_levels_is_refused(name, low, high):
    with pytest.raises(UsageError, match=r"draws no noise levels.*0\.002 and 80"):
        ranged(name, low, high)


def test_a_range_where_the_density_has_next_to_nothing_is_refused():
    with pytest.raises(UsageError, match="draws no noise levels above 50 and below 60"):
        ranged("lognormal", 50.0, 60.0, p_std=0.3)


def test_a_range_upside_down_is_refused():
    with pytest.raises(ValueError, match=r"low 0\.5 must be below high 0\.1"):
        o.UniformOptions(low=0.5, high=0.1)
