"""Score distillation leads what is drawn to where the model finds it most likely."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import difftool
from difftool.rng import Stream
from difftool.space import Euclidean

from .gaussian import SD, Scaling, process

MEAN = 0.7


class Shifted(Scaling):
    """The denoiser of Gaussian data around a mean."""

    def forward(self, x, sigma, cond, mask=None):
        return MEAN + super().forward(x - MEAN, sigma, cond)

    def null(self, cond):
        return cond


def judge(kind=difftool.ScoreDistillation, **options):
    model = SimpleNamespace(
        denoiser=Shifted(2.0),
        process=process(),
        representation=SimpleNamespace(space=Euclidean()),
        description=SimpleNamespace(conditions={}),
    )
    return kind(model, **options)


def test_what_is_drawn_ends_at_the_mean_of_gaussian_data():
    """The mode, and not a sample, whose standard deviation would be SD."""
    drawn = torch.zeros(8, 16, requires_grad=True)
    optimizer = torch.optim.SGD([drawn], lr=1.0)
    loss = judge(guidance=1.0)
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 3.0 * 0.985**step
        optimizer.zero_grad()
        loss(drawn, {}, Stream(0, "fit", step)).sum().backward()
        optimizer.step()
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.05)
    assert drawn.std().item() < 0.3 * SD


def test_with_a_follower_what_is_drawn_spreads_as_the_data_do():
    """Where each drawing alone would end at the mean; the follower knows their spread at any time."""
    torch.manual_seed(0)
    drawn = (MEAN + 0.05 * torch.randn(512, 16)).requires_grad_()
    optimizer = torch.optim.SGD([drawn], lr=1.0)
    loss = judge(difftool.VariationalDistillation, rank=0)
    for step in range(600):
        with torch.no_grad():  # the best follower, in place of training it
            loss.follower.sd.fill_((drawn - MEAN).square().mean().sqrt().item())
        optimizer.zero_grad()
        loss(drawn, {}, Stream(0, "fit", step)).sum().backward()
        optimizer.step()
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.05)
    assert drawn.std().item() == pytest.approx(SD, rel=0.1)


def test_the_follower_learns_what_is_drawn():
    loss = judge(difftool.VariationalDistillation, rank=0)
    drawn = MEAN + 0.2 * Stream(0, "drawn").normal((256, 16))
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.02)
    for step in range(100):
        optimizer.zero_grad()
        loss.follow(drawn, {}, Stream(0, "follow", step)).mean().backward()
        optimizer.step()
    variance = loss.follower(torch.ones(1, 1) + MEAN, torch.tensor([0.2]), {}) - MEAN
    assert variance.item() == pytest.approx(0.5, abs=0.05)  # 0.2^2 / (0.2^2 + 0.2^2)
    assert loss.model.denoiser.sd.item() == SD


def test_the_gradient_skips_the_network():
    """It is (x - D) / n for an example of n numbers, whatever D does between."""
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    made = judge(guidance=1.0)
    made(x, {}, Stream(0, "one")).sum().backward()
    rng = Stream(0, "one")
    time = made.low + (made.high - made.low) * rng.uniform((4,))
    sigma = made.model.process.schedule.sigma(time.double()).float()
    noisy = x + sigma[:, None] * rng.normal((4, 16))
    target = made.model.denoiser(noisy, sigma, {}).detach()
    torch.testing.assert_close(x.grad, (x.detach() - target) / 16)


def test_a_condition_or_a_range_that_cannot_be_is_refused():
    with pytest.raises(difftool.UsageError, match="no condition 'hat'"):
        judge().conditions({"hat": ["red"]})
    with pytest.raises(difftool.UsageError, match="must be below"):
        judge(low=0.5, high=0.2)
