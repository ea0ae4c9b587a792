"""The objective autoencoder: its promises, its losses, two players that resume to the bit, and what it says of a model that collapsed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from small import prepared, small_run, train

from difftool.batch import Batch
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.objective import Moment
from difftool.objectives.autoencoder import Autoencoding
from difftool.objectives.autoencoder_options import AutoencoderOptions
from difftool.objectives.reconstruction import gradient_error, mean_over_real, spectral_error
from difftool.rng import Stream
from difftool.testing import objective_contract

SMALL = {"channels": 8, "multipliers": (1, 2), "latents": 2}
TestAutoencoder = objective_contract("autoencoder", SMALL)
TestEverything = objective_contract(
    "autoencoder",
    {
        **SMALL,
        "bottleneck": "vq",
        "codes": 8,
        "error": "l2",
        "gradient": 1.0,
        "spectral": 1.0,
        "noise": 0.5,
        "equivariance": 0.5,
        "adversary": 0.5,
        "critic_start": 0.0,
        "critic_layers": 1,
        "critic_channels": 4,
    },
)
SETS = [
    'objective.use="autoencoder"',
    "objective.channels=8",
    "objective.multipliers=[1,2]",
    "modality.augment=0",
]


def objective(*sets: str):
    stage, _, _ = prepared(*small_run(8, [*SETS, *sets]))
    return stage.objective


@pytest.mark.parametrize("bottleneck", ["kl", "vq"])
def test_both_players_resume_to_the_bit(tmp_path, bottleneck):
    data, sets = small_run(8, [*SETS, f'objective.bottleneck="{bottleneck}"'])
    sets += ["objective.codes=16", "objective.adversary=0.5", "objective.critic_start=0.25"]
    whole = train(tmp_path / "whole", data, sets)
    part = train(tmp_path / "part", data, sets, stop_at=3)
    train(part, data, sets, resume=True)
    one, other = (load_checkpoint(RunFolder(run).latest_checkpoint())[0] for run in (whole, part))
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    assert any("critic" in name for name in one)


def test_the_critic_starts_late_and_then_learns():
    made = objective("objective.adversary=0.5", "objective.critic_start=0.5")
    batch = Batch(Stream(0, "x").normal((4, 3, 8, 8)))
    early, late = (
        made.loss(batch, Stream(0, "draw"), Moment(step, 8, 0), "critic") for step in (3, 4)
    )
    assert not early.any()
    assert late.all()
    late.mean().backward()
    assert all(p.grad.any() for p in made.critic.parameters() if p.ndim > 1)
    assert all(p.grad is None for p in made.autoencoder.parameters())


def test_the_critic_s_gradient_at_the_last_layer_is_as_large_as_that_of_the_error():
    made = objective("objective.adversary=1", "objective.critic_start=0")
    batch = Batch(Stream(0, "x").normal((4, 3, 8, 8)))
    last = made.autoencoder.decoder.head.weight
    shown = made.decoded(made.autoencoder.encode(batch.x)[0], None, batch)
    error = made.error(batch.x, shown, None)
    deceit = made.deceit(shown, error, batch)
    norms = [
        torch.autograd.grad(loss.mean(), last, retain_graph=True)[0].norm()
        for loss in (error, deceit)
    ]
    torch.testing.assert_close(*norms, rtol=0.05, atol=1e-6)


def test_errors_count_real_entries_only_and_vanish_where_nothing_is_wrong():
    x = Stream(0, "x").normal((3, 2, 64))
    mask = (torch.arange(64) < 40).expand(3, 1, 64)
    wrong = x.where(mask, 7.0)
    for error in (gradient_error, spectral_error):
        assert error(x, x, None).max() < 1e-4
        assert error(x, wrong, mask).max() < 1e-4
        assert error(x, x + Stream(0, "e").normal(x.shape), mask).min() > 0.1
    torch.testing.assert_close(
        mean_over_real((wrong - x).abs() + 1, mask), torch.ones(3), atol=1e-6, rtol=0
    )


def test_a_spectrum_hears_no_phase():
    time = torch.linspace(0, 200 * math.pi, 4096)
    tone, moved, higher = (torch.sin(k * time + p)[None, None] for k, p in ((1, 0), (1, 1), (2, 0)))
    assert (tone - moved).abs().mean() > 0.5
    assert spectral_error(tone, moved, None) < 0.2 * spectral_error(tone, higher, None)


@pytest.mark.parametrize(
    ("sets", "weight"),
    [(("objective.spectral=0.5",), 0.5), ((), 0.0)],
)
def test_spectra_count_where_they_are_asked_for_or_where_data_oscillates(sets, weight):
    assert objective(*sets).spectral == weight
    swings = SimpleNamespace(space=None, shape=(1, 64), oscillates=True)
    context = SimpleNamespace(
        process=SimpleNamespace(), representation=swings, denoiser=None, description=None
    )
    assert Autoencoding(AutoencoderOptions(**SMALL), context).spectral == 1.0


def test_a_collapsed_model_is_said():
    batch = Batch(Stream(0, "x").normal((8, 3, 8, 8)))
    made = objective().eval()
    with torch.no_grad():
        for p in (
            *made.autoencoder.encoder.head.parameters(),
            *made.autoencoder.decoder.head.parameters(),
        ):
            p.zero_()
        said = list(made.complaints(batch))
        assert [text for text in said if "nearly all the same" in text]
        assert [text for text in said if "say nothing" in text]
        coded = objective('objective.bottleneck="vq"', "objective.codes=256").eval()
        coded.autoencoder.encoder.head.weight.zero_()
        assert any("dead" in text for text in coded.complaints(batch))


def test_a_run_says_of_itself_that_its_model_collapsed(tmp_path):
    data, sets = small_run(2, [*SETS, "optimizer.lr=1e-9"])
    stage, dataset, config = prepared(data, sets)
    folder = RunFolder.create(tmp_path / "run", config, dataset.description, dataset.source)
    said = list[str]()
    list(fit(stage, dataset, folder, complain=said.append))
    assert any("nearly all the same" in text for text in said)
