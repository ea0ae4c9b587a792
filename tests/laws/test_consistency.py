"""Consistency models of Gaussian data, whose consistency function is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from difftool import Batch, Moment
from difftool.objectives.consistency import Consistency
from difftool.objectives.options import ConsistencyOptions
from difftool.rng import Stream
from difftool.space import Euclidean
from difftool.testing.parts import load
from difftool.testing.sampler import unit_vector

SD = 0.5
"""Standard deviation of the data."""


def exact(x, sigma):
    """The end of the probability flow through x: it only scales (Song et al. 2023, Def. 1)."""
    return x * SD / (SD**2 + sigma**2) ** 0.5


def objective(denoiser, **options):
    """The objective around any denoiser, with the process edm."""
    row, settings = load("process", "edm")
    schedule, ends = load("schedule", "karras")
    made = Consistency.__new__(Consistency)
    torch.nn.Module.__init__(made)
    made.options = ConsistencyOptions(**options)
    made.denoiser, made.space = denoiser, Euclidean()
    levels = schedule(ends)
    made.process = SimpleNamespace(
        preconditioning=row(settings, levels),
        schedule=levels,
        density=SimpleNamespace(draw=lambda n, rng: 0.1 + 10 * rng.uniform((n,))),
    )
    return made


class Scaling(torch.nn.Module):
    """D(x; sigma) = x * (SD / sqrt(SD^2 + sigma^2))^power; ``power`` is learnt."""

    conditioners: ClassVar = {}
    remembers = False
    degradation = None
    drop_all = 0.0

    def __init__(self, power: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.power = torch.nn.Parameter(torch.tensor(power))
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x, sigma, cond, mask=None):
        scale = (SD / (SD**2 + sigma**2).sqrt()) ** self.power
        return self.dropout(x * scale[:, None])


@pytest.mark.parametrize("sigmas", [[80.0, 0.0], [80.0, 0.8, 0.0], [80.0, 5.0, 0.3, 0.0]])
def test_the_exact_function_draws_the_data_in_any_number_of_steps(sigmas):
    sampler, _ = load("sampler", "consistency")
    draws = iter([unit_vector(i, 8) for i in range(1, 8)])
    x = unit_vector(0, 8) * (SD**2 + sigmas[0] ** 2) ** 0.5
    last = list(sampler(exact, x, sigmas, lambda *interval: next(draws)))[-1].x
    assert last.square().sum().item() == pytest.approx(SD**2)


def test_with_small_gaps_the_exact_function_is_where_the_loss_is_least():
    """The expected gradient vanishes there as the gap does, and not for a denoiser (power 2)."""
    x0 = SD * Stream(0, "data").normal((4096, 16))

    def slope(power: float) -> float:
        made = objective(Scaling(power), q=2.0, k=0.0, c=10.0, stages=8)
        moment = Moment(79, 80, 0)  # the last stage: a gap of 1 / 256
        made.loss(Batch(x0), Stream(0, "noise"), moment, "denoiser").mean().backward()
        return made.denoiser.power.grad.item()

    near = abs(slope(1.0))
    assert near < 0.05 * abs(slope(2.0))
    assert near < 0.05 * abs(slope(0.5))


def test_the_gap_shrinks_in_stages_and_widens_at_low_levels():
    made = objective(Scaling(1.0), stages=8)
    t = torch.tensor([0.01, 1.0, 80.0])
    gaps = [1 - made.lower(t, Moment(step, 80, 0)) / t for step in (0, 9, 10, 79)]
    torch.testing.assert_close(gaps[0], gaps[1])
    n = 1 + 8 * torch.sigmoid(-t)
    torch.testing.assert_close(gaps[2], (n / 4).clamp(max=1))
    torch.testing.assert_close(gaps[3], (n / 256).clamp(max=1))
    assert gaps[0][0] == 1
    assert made.lower(t, Moment(0, 80, 0))[0] == 0


def test_both_sides_drop_the_same_entries():
    """Else the loss of a denoiser that is constant along a path could not be zero."""

    class Constant(Scaling):
        def forward(self, x, sigma, cond, mask=None):
            return self.dropout(torch.ones_like(x)) * self.power

    made = objective(Constant(1.0, dropout=0.5))
    loss = made.loss(Batch(torch.zeros(64, 16)), Stream(0, "noise"), Moment(79, 80, 0), "denoiser")
    high = made.lower(made.process.density.draw(64, Stream(0, "noise")), Moment(79, 80, 0)) > 0
    assert high.all()
    assert loss.abs().max() == 0
