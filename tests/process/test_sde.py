"""Diffusions: drift, diffusion and marginals belong together, and lead back to the data."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from difftool.process import options as o
from difftool.process.density import Discrete
from difftool.process.schedule import Linear
from difftool.process.sde import SubVp, Ve, Vp
from difftool.rng import Stream
from difftool.samplers.ancestral import ddpm

SDES = {"ve": Ve(o.VeOptions()), "vp": Vp(o.VpOptions()), "subvp": SubVp(o.SubVpOptions())}
T = torch.linspace(0.01, 1, 25, dtype=torch.float64)
SD = 0.5

every_sde = pytest.mark.parametrize("sde", SDES.values(), ids=SDES.keys())


def slope(values: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(values.sum(), t)[0]


@every_sde
def test_the_marginals_obey_drift_and_diffusion(sde):
    """da/dt = f a and ds^2/dt = 2 f s^2 + g^2   (Särkkä & Solin 2019, Eq. 5.50 and 5.51)."""
    t = T.clone().requires_grad_()
    scale, std = sde.marginal(t)
    f, g = sde.drift(t), sde.diffusion(t)
    if scale.requires_grad:
        torch.testing.assert_close(slope(scale, t), (f * scale).detach())
    else:
        assert not f.any()
    _, std = sde.marginal(t)
    torch.testing.assert_close(slope(std.square(), t), (2 * f * std.square() + g.square()).detach())


@every_sde
def test_a_schedule_visits_even_times(sde):
    sigmas = torch.tensor(sde.sigmas(11)[:-1], dtype=torch.float64)
    times = sde.warp(sigmas)
    torch.testing.assert_close(times.diff(), times.diff().mean().expand(10), atol=1e-9, rtol=0)
    assert times[0].item() == pytest.approx(1)


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
@every_sde
def test_the_reverse_diffusion_leads_back_to_the_data(sde, noise):
    """For data N(0, sd^2) all is linear, so that the variance of Euler's steps is exact.

    Without noise it is the probability-flow ODE.
    """
    times = sde.warp(torch.tensor(sde.sigmas(4000)[:-1], dtype=torch.float64))
    scale, std = sde.marginal(times)
    variance = ((scale * SD).square() + std.square())[0].item()
    for i, (t, after) in enumerate(pairwise(times)):
        a, s, h = scale[i], std[i], t - after
        x0 = a * SD**2 / ((a * SD) ** 2 + s**2)  # D for z = 1
        change = sde.reverse(torch.ones(()), t, x0, noise)
        variance *= (1 - h * change).item() ** 2
        variance += (noise * sde.diffusion(t)).square().item() * h.item()
    assert variance == pytest.approx(((scale * SD).square() + std.square())[-1].item(), rel=0.02)


@pytest.mark.parametrize("levels", [5, 37, 1000])
def test_a_step_of_ddpm_is_the_exact_posterior_of_any_table(levels):
    """Ho et al. 2020, arXiv:2006.11239, Eq. 6 and 7, by Bayes' rule on the discrete chain."""
    schedule = Linear(o.LinearOptions(levels=levels, beta_min=1e-3, beta_max=0.05))
    betas = torch.linspace(1e-3, 0.05, levels, dtype=torch.float64)
    a_bar = (1 - betas).cumprod(0)
    k, x0, z_t = levels // 2, 0.3, -0.8
    beta, before, now = betas[k].item(), a_bar[k - 1].item(), a_bar[k].item()
    precision = 1 / (1 - before) + (1 - beta) / beta
    mean = (math.sqrt(before) * x0 / (1 - before) + math.sqrt(1 - beta) * z_t / beta) / precision

    sigmas = schedule.sigmas(levels)[::-1][1:]
    pair = [sigmas[k], sigmas[k - 1]]
    x = torch.tensor([[z_t / math.sqrt(now)]], dtype=torch.float64)
    results = [
        next(
            ddpm(
                lambda x, sigma: torch.full_like(x, x0),
                x,
                pair,
                lambda *i, z=z: z * torch.ones_like(x),
            )
        ).x.item()
        * math.sqrt(before)
        for z in (0.0, 1.0)
    ]
    assert results[0] == pytest.approx(mean)
    assert (results[1] - results[0]) ** 2 == pytest.approx(1 / precision)


def test_discrete_times_are_those_of_the_table():
    schedule = Linear(o.LinearOptions(levels=10))
    drawn = Discrete(o.DiscreteOptions(levels=10), schedule).draw(20_000, Stream(0, "test"))
    table = torch.tensor(schedule.sigmas(10)[:-1])
    found, counts = drawn.unique(return_counts=True)
    torch.testing.assert_close(found, table.flip(0))
    assert (counts / 20_000 - 0.1).abs().max() < 0.01
