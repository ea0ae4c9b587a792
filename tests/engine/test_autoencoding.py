"""The objective autoencoder: its promises, its losses, two players that resume to the bit, and what it says of a model that collapsed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from small import prepared, small_run, train

from difftool.assemble.inherit import inherit_model, over_time, require_learnt
from difftool.batch import Batch
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.errors import UsageError
from difftool.objective import Moment
from difftool.objectives.alignment import Alignment
from difftool.objectives.autoencoder import Autoencoding
from difftool.objectives.autoencoder_options import AutoencoderOptions
from difftool.objectives.equivariance import shifted, shrunk
from difftool.objectives.eyes import glimpse, seen_error
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
        "perceptual": 0.5,
        "align": 0.5,
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
        process=SimpleNamespace(),
        representation=swings,
        denoiser=None,
        description=None,
        learns=False,
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


def test_latents_that_are_moved_or_shrunk_belong_to_examples_that_were():
    ramp = torch.arange(32.0).expand(2, 1, 8, 32)
    z = ramp[..., ::4, ::4]  # the latents of an encoder that takes every fourth entry
    for step in range(8):
        moved, wanted = shifted(z, ramp, (4, 4), 0, Stream(0, "shift", step))
        torch.testing.assert_close(moved, wanted[..., ::4, ::4])
        assert moved.shape[-1] * 4 == wanted.shape[-1]
        smaller, wanted = shrunk(z, ramp, (4, 4), 1, Stream(0, "scale", step))
        assert [n * 4 for n in smaller.shape[2:]] == list(wanted.shape[2:])
        assert smaller.shape[2] == z.shape[2]


def test_what_is_seen_of_reconstructions_changes_the_autoencoder_and_not_the_judge():
    made = objective("objective.perceptual=1", "objective.align=1")
    batch = Batch(Stream(0, "x").normal((4, 3, 8, 8)))
    z, mask = made.autoencoder.encode(batch.x)
    shown = made.decoded(z, mask, batch)
    loss = made.error_seen(batch, shown, z, mask)
    assert loss.min() > 0
    assert not made.error_seen(batch, batch.x, z, mask).allclose(loss)
    before = {name: t.clone() for name, t in made.judge.state_dict().items()}
    loss.mean().backward()
    assert made.autoencoder.encoder.stem.weight.grad.any()
    after = made.judge.state_dict()
    assert all(torch.equal(t, after[name]) for name, t in before.items())


def test_maps_that_are_alike_have_no_error_whatever_their_scale():
    maps = [Stream(0, "maps").normal((3, 5, 4, 4))]
    assert seen_error(maps, [7 * maps[0]]).max() < 1e-6
    assert seen_error(maps, [-maps[0]]).min() > 3.9


def test_the_judge_of_a_run_learns_the_labels():
    data, sets = small_run(40, [*SETS, "objective.perceptual=0.1", "optimizer.lr=3e-3"])
    stage, dataset, _ = prepared(data, sets)
    judge = stage.objective.judge
    assert [one.name for one in judge.targets] == list(dataset.description.conditions)
    assert judge.loss(encoded_batch(stage, dataset), Stream(0, "views")).isfinite()


def encoded_batch(stage, dataset) -> Batch:
    raw = dataset.batch(torch.arange(len(dataset)).numpy(), Stream(0, "all"))
    return stage.representation.encode(raw)


def test_a_glimpse_hides_a_quarter_along_one_axis():
    seen = glimpse(torch.full((16, 2, 8, 12), 100.0), Stream(0, "views"))
    shares = (seen == 0).float().mean((1, 2, 3))
    torch.testing.assert_close(shares, torch.full((16,), 0.25))


def test_aligned_latents_cost_nothing_and_padding_does_not_count():
    made = Alignment(3, 3, 1)
    with torch.no_grad():
        made.project.weight.copy_(torch.eye(3)[:, :, None])
    z, other = (Stream(i, "z").normal((2, 3, 40)) for i in (0, 1))
    assert made(z, z, None).max() < 1e-6
    assert made(z, other, None).min() > 0.1
    mask = (torch.arange(40) < 25).expand(2, 1, 40)
    torch.testing.assert_close(made(z, other, mask), made(z, other.where(mask, 9.0), mask))
    torch.testing.assert_close(
        made(z, other, mask), made(z[..., :25], other[..., :25], None), atol=1e-5, rtol=0
    )


def test_a_frozen_encoder_needs_trained_weights_and_only_the_decoder_learns(tmp_path):
    first = train(tmp_path / "first", *small_run(2, SETS)) / "model.safetensors"
    stage, dataset, _ = prepared(*small_run(2, [*SETS, 'objective.frozen="encoder"']))
    made = stage.objective
    with pytest.raises(UsageError, match="--init"):
        require_learnt(stage.model)
    found = inherit_model(stage, first)
    assert found.taken == found.total
    batch = encoded_batch(stage, dataset)
    made.loss(batch, Stream(0, "draw"), Moment(0, 8, 0), "autoencoder").mean().backward()
    assert all(p.grad is None for p in made.autoencoder.encoder.parameters())
    assert made.autoencoder.decoder.head.weight.grad.any()


def test_kernels_over_space_see_the_present_step_of_time_only():
    kernel = Stream(0, "kernel").normal((4, 2, 3, 3))
    frames = Stream(0, "frames").normal((1, 2, 5, 6, 6))
    each = F.conv2d(frames[0].transpose(0, 1), kernel, padding=1).transpose(0, 1)[None]
    middle = F.conv3d(frames, over_time(kernel, (4, 2, 3, 3, 3), False), padding=1)
    torch.testing.assert_close(middle, each)
    last = over_time(kernel, (4, 2, 3, 3, 3), True)
    past = F.pad(frames, (0, 0, 0, 0, 2, 0))
    torch.testing.assert_close(F.conv3d(past, last, padding=(0, 1, 1)), each)
    assert over_time(kernel, (4, 2, 3, 5, 5), False) is kernel


def test_it_learns_in_half_precision_and_gives_float32():
    full = objective()
    half = objective('train.precision="bf16"')
    assert (full.precision, half.precision) == (torch.float32, torch.bfloat16)
    batch = Batch(Stream(0, "x").normal((4, 3, 8, 8)))
    one, other = (
        each.loss(batch, Stream(0, "draw"), Moment(0, 8, 0), "autoencoder") for each in (full, half)
    )
    assert other.dtype == torch.float32
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, other, rtol=0.02, atol=0.01)
