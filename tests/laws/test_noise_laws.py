"""Noise belongs to an interval: the laws of the Brownian source, and what it is for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from difftool.noise import brownian, clock, position
from difftool.sampler import Noise
from difftool.space import Euclidean, Space
from difftool.testing.sampler import levels, nonlinear_denoise, one_path, run, seeded
from difftool_molecule.centred import Centred

CPU = torch.device("cpu")
WIDE = 40_000
INTERVALS = [
    (80.0, 60.0),
    (3.0, 2.9),
    (1.1, 0.9),
    (40.0, 0.5),
    (0.5, 0.01),
    (0.0021, 0.002),
    (0.3, 0.0),
    (1.0, 2.0),
]


def path(
    indices=(0,),
    shape=(WIDE,),
    *,
    seed: int = 0,
    n: int = 0,
    space: Space | None = None,
    mask: Tensor | None = None,
) -> Noise:
    return brownian(
        space or Euclidean(), seed, "sample", indices, (len(indices), *shape), CPU, mask
    )(n)


def gained(noise: Noise, sigma: float, sigma_next: float) -> Tensor:
    """W(s_next) - W(s), at the levels as the path rounds them."""
    return noise(sigma, sigma_next).double() * math.sqrt(
        abs(clock(position(sigma_next)) - clock(position(sigma)))
    )


def correlation(one: Tensor, other: Tensor) -> float:
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
def test_the_noise_of_an_interval_is_a_unit_normal(interval):
    z = path()(*interval)
    assert z.shape == (1, WIDE)
    assert z.mean().item() == pytest.approx(0, abs=4 / math.sqrt(WIDE))
    assert z.square().mean().item() == pytest.approx(1, abs=4 * math.sqrt(2 / WIDE))
    assert z.pow(4).mean().item() == pytest.approx(3, abs=4 * math.sqrt(96 / WIDE))


@pytest.mark.parametrize(
    "sigmas", [[80.0, 30.0, 10.0, 2.0, 0.3, 0.01, 0.0], levels(12)], ids=["few", "many"]
)
def test_intervals_that_do_not_overlap_are_independent(sigmas):
    noise = path()
    drawn = [noise(*interval) for interval in pairwise(sigmas)]
    found = [abs(correlation(a, b)) for i, a in enumerate(drawn) for b in drawn[:i]]
    assert max(found) < 4.5 / math.sqrt(WIDE)


@pytest.mark.parametrize(
    ("a", "b", "c"),
    [(80.0, 7.0, 0.1), (1.9, 1.5, 1.1), (2.0, 1.0, 0.5), (0.02, 0.0199, 0.002), (5.0, 9.0, 0.4)],
)
def test_increments_add_up(a, b, c):
    """W(a, c) = W(a, b) + W(b, c), for b outside the interval as well."""
    whole = gained(path(), a, c)
    parts = gained(path(), a, b) + gained(path(), b, c)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-5 * whole.std().item())


def test_two_schedules_read_one_path():
    coarse, fine = levels(6), levels(24)
    one, other = path(), path()
    inside = [gained(other, *interval) for interval in pairwise(fine)]
    for i, interval in enumerate(pairwise(coarse)):
        summed = torch.stack(inside[4 * i : 4 * i + 4]).sum(0)
        torch.testing.assert_close(
            summed, gained(one, *interval), rtol=0, atol=1e-4 * summed.std().item()
        )


def test_it_does_not_matter_what_was_read_before():
    noise = path()
    drawn = [noise(*interval) for interval in INTERVALS]
    for interval, z in reversed(list(zip(INTERVALS, drawn, strict=True))):
        torch.testing.assert_close(noise(*interval), z)
        assert torch.equal(path()(*interval), z)


def test_the_way_back_takes_away_what_the_way_there_gave():
    assert torch.equal(path()(2.0, 7.0), -path()(7.0, 2.0))


def test_levels_nearer_than_the_grid_still_get_unit_noise():
    z = path()(1.0, 1.0 - 1e-7)
    assert z.square().mean().item() == pytest.approx(1, abs=4 * math.sqrt(2 / WIDE))


def test_an_example_depends_on_its_own_index_alone():
    together = path((4, 9, 17), (50,))(3.0, 1.2)
    for place, index in enumerate((4, 9, 17)):
        assert torch.equal(path((index,), (50,))(3.0, 1.2)[0], together[place])
    assert abs(correlation(path((4,))(3.0, 1.2), path((9,))(3.0, 1.2))) < 4.5 / math.sqrt(WIDE)


@pytest.mark.parametrize("other", [{"seed": 1}, {"n": 1}], ids=str)
def test_other_seeds_and_other_paths_are_independent(other):
    assert abs(correlation(path()(3.0, 1.2), path(**other)(3.0, 1.2))) < 4.5 / math.sqrt(WIDE)


def test_a_space_keeps_its_law():
    """Positions without a centre of mass: it stays at 0, and the variance is that of the degrees of freedom; padding stays 0."""
    mask = torch.ones(1, 2000, 1)
    mask[:, 1500:] = 0
    z = path((0,), (2000, 5), space=Centred(), mask=mask)(3.0, 1.2)
    torch.testing.assert_close(z[:, :1500, :3].mean(1), torch.zeros(1, 3), atol=1e-6, rtol=0)
    assert not z[:, 1500:].any()
    assert Centred().mean_square(z, mask).item() == pytest.approx(1, abs=4 * math.sqrt(2 / 7500))


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("euler_ancestral", {}),
        ("ddim", {"eta": 0.5}),
        ("ddpm", {"variance": "large"}),
        ("dpmpp_2m_sde", {}),
    ],
    ids=str,
)
def test_stochastic_samplers_converge_along_the_path_with_order_one(name, knobs):
    """The strong order: half the step, half the distance from the solution on the same path. Fresh noise leaves it where it was."""
    shape = (8, 5)
    x = 10 * seeded(shape)()
    coarse, fine, exact = (
        run(name, knobs, x, levels(n), nonlinear_denoise, one_path(shape))[-1].x
        for n in (32, 64, 512)
    )
    first, second = ((found - exact).square().mean().sqrt().item() for found in (coarse, fine))
    assert math.log2(first / second) > 0.75
    other = run(name, knobs, x, levels(64), nonlinear_denoise, seeded(shape, 2))[-1].x
    assert (other - exact).square().mean().sqrt().item() > 5 * second
