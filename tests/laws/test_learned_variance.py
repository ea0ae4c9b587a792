"""Learned variances: the bound of Gaussian data is their entropy, and steps have what was learned."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch
from small import call, pictures, registry, small_run, train

from difftool import Batch
from difftool.assemble import load_stage
from difftool.metrics.likelihood import learned_bound
from difftool.nn.backbone import Signals
from difftool.nn.second_output import fraction_of
from difftool.objectives.variance import Vlb
from difftool.process.posterior import (
    learned_variance,
    step_below,
    step_nats,
    variance_range,
)
from difftool.rng import Stream
from difftool.space import Euclidean
from difftool.testing.parts import load
from difftool.testing.sampler import unit_vector

SD = 0.5
"""Standard deviation of the data."""

SPACE = Euclidean()


def schedule():
    chosen, options = load("schedule", "linear")
    return chosen(options)


def exact_fraction(sigma, below):
    """v of the true reverse step of N(0, SD^2), whose variance is known in closed form."""
    keep = sigma**2 * SD**2 / (sigma**2 + SD**2)  # of x0, given x
    small, large = variance_range(sigma, below)
    true = below**2 * (sigma**2 - below**2) / sigma**2 + (1 - (below / sigma) ** 2) ** 2 * keep
    return (true / small).log() / (large / small).log()


class Exact:
    """D of N(0, SD^2), with the second output that belongs to it."""

    conditioners: ClassVar = {}
    second = object()

    def signals(self, cond):
        return Signals()

    def estimates(self, x, sigma, signals, mask=None):
        sigma = sigma[:, None]
        below = step_below(schedule(), sigma[:, 0], 1000)[:, None]
        v = exact_fraction(sigma, below).expand_as(x)
        return x * SD**2 / (SD**2 + sigma**2), None, 2 * v - 1


def test_the_bound_of_gaussian_data_is_their_entropy():
    x = SD * Stream(0, "data").normal((256, 64)).double()
    model = SimpleNamespace(
        denoiser=Exact(),
        process=SimpleNamespace(schedule=schedule()),
        representation=SimpleNamespace(space=SPACE),
    )
    found = learned_bound(model, Batch(x), schedule().sigma_max, 1000, 1000, Stream(0, "bound"))
    entropy = (math.log(2 * math.pi * SD**2) + 1) / 2
    assert found.mean().item() == pytest.approx(entropy, abs=0.01)


def test_a_term_is_the_divergence_of_two_normal_distributions():
    x0, estimate = (Stream(i, "x").normal((4, 3)).double() for i in range(2))
    v = Stream(2, "v").uniform((4, 3)).double()
    sigma, below = torch.tensor([[2.0]] * 4).double(), torch.tensor([[1.5]] * 4).double()
    small, large = variance_range(sigma, below)
    apart = 1 - (below / sigma) ** 2
    truth = torch.distributions.Normal(apart * x0, small.sqrt())
    ours = torch.distributions.Normal(apart * estimate, learned_variance(v, small, large).sqrt())
    found = step_nats(x0, estimate, v, sigma, below, SPACE.mean, SPACE.mean_square)
    wanted = torch.distributions.kl_divergence(truth, ours).mean(1)
    torch.testing.assert_close(found, wanted)


def test_the_last_term_is_the_surprise_of_the_data():
    x0, estimate = (Stream(i, "x").normal((4, 3)).double() for i in range(2))
    sigma, below = torch.full((4, 1), 0.01).double(), torch.zeros(4, 1).double()
    one = torch.ones(4, 3).double()
    ours = torch.distributions.Normal(estimate, variance_range(sigma, below)[1].sqrt())
    found = step_nats(x0, estimate, one, sigma, below, SPACE.mean, SPACE.mean_square)
    torch.testing.assert_close(found, -ours.log_prob(x0).mean(1))


@pytest.mark.parametrize(("fraction", "variance"), [(0.0, "small"), (1.0, "large")])
def test_the_ends_of_the_range_are_the_fixed_variances(fraction, variance):
    class Learned:
        def fraction(self):
            return torch.full((1, 8), fraction, dtype=torch.float64)

        def __call__(self, x, sigma):
            return x / (1 + sigma)

    sampler, _ = load("sampler", "ddpm")

    def drawn(variance):
        draws = iter([unit_vector(i, 8) for i in range(1, 4)])
        x = 3 * unit_vector(0, 8)
        steps = sampler(Learned(), x, [3.0, 1.0, 0.2, 0.0], lambda *_: next(draws), variance)
        return list(steps)[-1].x

    torch.testing.assert_close(drawn("learned"), drawn(variance))


def test_the_entries_of_a_table_are_its_steps():
    levels = schedule()
    table = levels.sigma(torch.linspace(0, 1, 1000, dtype=torch.float64))
    torch.testing.assert_close(
        step_below(levels, table.float(), 1000),
        torch.cat((torch.zeros(1), table[:-1].float())),
        rtol=1e-4,
        atol=0,
    )


def vlb(levels: int, history: int) -> Vlb:
    made = Vlb.__new__(Vlb)
    torch.nn.Module.__init__(made)
    made.options = SimpleNamespace(levels=levels, history=history, floor=0.001)
    made.register_buffer("losses", torch.zeros(levels, history))
    made.register_buffer("counts", torch.zeros(levels, dtype=torch.long))
    return made


def test_times_are_drawn_by_their_losses_once_all_have_some():
    """Nichol & Dhariwal 2021, Eq. 18."""
    made = vlb(levels=4, history=2)
    wanted = torch.tensor([1.0, 2.0, 3.0, 4.0])
    for _ in range(2):
        assert made.chances().tolist() == [0.25] * 4
        made.note(torch.arange(4), wanted)
    torch.testing.assert_close(made.chances().float(), 0.999 * wanted / 10 + 0.001 / 4)


def test_a_space_with_a_constraint_has_one_variance_for_an_example():
    second = Stream(0, "second").normal((2, 3, 4))
    v = fraction_of(second, SPACE.mean)
    assert v.shape == (2, 1, 1)
    torch.testing.assert_close(v.flatten(), ((second + 1) / 2).mean((1, 2)))


@pytest.mark.heavy
@pytest.mark.parametrize("objective", ["hybrid", "vlb"])
def test_a_run_learns_variances_and_samples_with_them(objective, tmp_path, capsys):
    sets = [f"objective.use={objective}", "process.use=eps", "objective.levels=20"]
    run = train(tmp_path / "run", *small_run(steps=12, sets=sets))
    stage = load_stage(run / "model.safetensors", registry())
    assert stage.denoiser.second is not None
    # in a dozen steps the second output has left zero: its loss reaches it
    assert stage.denoiser.backbone.head.weight.chunk(2)[1].abs().max() > 0
    sampled = "-n 2 --steps 4 --sampler ddpm --set sampler.variance=learned --guidance 2"
    assert call("sample", str(run), *sampled.split()) == 0
    capsys.readouterr()
    measured = "--metrics likelihood -n 4 --json --against"
    assert call("evaluate", str(run), *measured.split(), str(pictures())) == 0
    assert "learned_vlb_bits_per_dim" in capsys.readouterr().out


def test_a_model_without_learned_variances_says_how_to_get_them():
    sampler, _ = load("sampler", "ddpm")
    with pytest.raises(Exception, match="--objective hybrid"):
        next(sampler(lambda x, s: x, unit_vector(0, 8), [1.0, 0.5, 0.0], None, "learned"))
