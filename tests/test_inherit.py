"""A new model that starts from a trained one: what it takes, what stays new, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import small
import torch

from difftool.assemble.inherit import inherit, require_trained
from difftool.cli import main
from difftool.engine.weights import MODEL, load_weights
from difftool.errors import UsageError
from difftool.nn.options import UNetOptions


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    data, sets = small.small_run(steps=2)
    return (
        small.train(tmp_path_factory.mktemp("runs") / "trained", data, sets) / "model.safetensors"
    )


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(list(args))
    return leaving.value.code


def stage(*sets: str):
    data, usual = small.small_run(steps=2, sets=list(sets))
    return small.prepared(data, usual)[0]


def test_the_same_model_takes_everything(trained):
    one = stage()
    taken, total, new, left = inherit(one, trained)
    assert taken == total
    assert new == ()
    assert left == {}
    weights, _ = load_weights(trained, MODEL)
    assert all(
        torch.equal(weights[name], tensor) for name, tensor in one.denoiser.state_dict().items()
    )


def test_a_network_that_is_shown_a_mask_does_at_first_what_it_did_without(trained):
    one = stage("train.mask='random'")
    taken, total, new, _ = inherit(one, trained)
    assert taken == total
    assert new == ()
    weights, _ = load_weights(trained, MODEL)
    wider = [
        (tensor, weights[name])
        for name, tensor in one.denoiser.state_dict().items()
        if tensor.shape != weights[name].shape
    ]
    assert len(wider) == 1
    for tensor, before in wider:
        assert torch.equal(tensor[:, : before.shape[1]], before)
        assert not tensor[:, before.shape[1] :].any()


def test_a_condition_that_the_model_did_not_know_stays_new(trained, tmp_path):
    one = stage("conditions.class.use='none'")
    before = {name: tensor.clone() for name, tensor in one.denoiser.state_dict().items()}
    taken, total, new, left = inherit(one, trained)
    assert (taken, new) == (
        total,
        (),
    )  # the one it knew beside it, augment, is found by its name, though it is another by number
    assert set(left) == {"class"}
    assert not all(
        torch.equal(before[name], tensor)
        for name, tensor in one.denoiser.state_dict().items()
        if name.startswith("_cond")
    )
    data, usual = small.small_run(
        steps=1, sets=["conditions.class.use='none'", "modality.augment=0"]
    )
    bare = small.train(tmp_path / "bare", data, usual) / "model.safetensors"
    one = stage()
    taken, total, new, left = inherit(one, bare)
    assert taken < total
    assert new == ("augment", "backbone.embedding.vector", "class")
    assert left == {}
    assert not one.denoiser.backbone.embedding.vector.weight.any()  # it does what it did without


def test_what_neither_is_taken_nor_learns_is_refused(trained):
    """It would stay what chance made it."""
    one = stage()
    one.denoiser.backbone.requires_grad_(False)
    with pytest.raises(UsageError, match=r"frozen tensors \(such as backbone\..*with --init"):
        require_trained(one.denoiser)
    inherit(one, trained)
    other = stage("modality.channels='grey'")
    other.denoiser.backbone.requires_grad_(False)
    with pytest.raises(UsageError, match=r"such as backbone\.stem\.weight"):
        inherit(other, trained)


def test_what_is_new_in_a_part_that_was_taken_is_named(trained):
    assert inherit(stage("modality.channels='grey'"), trained).new == (
        "backbone.head",
        "backbone.stem",
    )


def test_attention_stays_at_its_levels_when_the_data_are_larger(
    trained, tmp_path, monkeypatch, capsys
):
    """The small pictures at 64 pixels have no level of so few positions as they have at 8."""
    monkeypatch.chdir(tmp_path)
    words = ["--run", "large", "--steps", "1", "--batch", "2", "--set", "train.preview=0"]
    pictures = str(small.pictures())
    sizes = ["--set", "modality.size=64", "--set", "modality.augment=0.2"]
    assert call("train", "-m", "image", pictures, "--init", str(trained), *sizes, *words) == 0
    start, _ = load_weights(trained, MODEL)
    made, about = load_weights(tmp_path / "large" / "model.safetensors", MODEL)
    attention = {name for name in start if "attention" in name}
    assert attention
    assert attention <= made.keys()
    assert about["config"]["backbone"]["attention"] == 64 * 64
    said = capsys.readouterr().err
    assert "Not taken over" not in said
    words[1] = "chosen"
    chosen = ["--set", "backbone.attention=16"]
    assert (
        call("train", "-m", "image", pictures, "--init", str(trained), *sizes, *chosen, *words) == 0
    )
    said = capsys.readouterr().err
    left = sum(start[name].numel() for name in attention)
    assert f"Not taken over: {left:,} of that model's numbers, in " in said
    assert "backbone.encoder.1.0.attentions (" in said


@pytest.mark.parametrize(
    ("settings", "there", "here", "expected"),
    [
        ({"attention": 64}, (16, 16), (64, 64), {"attention": 1024}),
        ({"attention": 0}, (16, 16), (64, 64), {"attention": 0}),
        ({"attention": 15}, (16, 16), (64, 64), {"attention": 0}),
        ({"attention": 10**6}, (64, 64), (16, 16), {"attention": 256}),
        (
            {"attention": 256, "attention_from": 64},
            (16, 16),
            (20, 20),
            {"attention": 400, "attention_from": 100},
        ),
        ({"attention": 256, "attention_from": 10**6}, (8, 8), (16, 16), {"attention_from": 257}),
        ({"attention": 64}, (16, 16), (None, 64), {"attention": 64}),
    ],
)
def test_thresholds_select_the_same_levels_at_another_size(settings, there, here, expected):
    options = UNetOptions(multipliers=(1, 2, 4), **settings)
    found = options.at_levels_of(options, there, here)
    assert {name: getattr(found, name) for name in expected} == expected


def test_another_network_is_refused(trained):
    with pytest.raises(
        UsageError,
        match=r"another network: only 6 of its .* has shape \(8,\) there and \(16,\) here",
    ):
        inherit(stage("backbone.channels=16"), trained)


def test_training_starts_from_it_and_resuming_does_not_need_it_any_more(
    trained, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(trained.read_bytes())
    data, sets = small.small_run(steps=2, sets=["optimizer.lr=1e-12", "train.preview=0"])
    words = [word for one in sets for word in ("--set", one)]
    assert (
        call(
            "train", "-m", "image", str(data), "--init", "copy.safetensors", "--run", "run", *words
        )
        == 0
    )
    weights, about = load_weights(tmp_path / "run" / "model.safetensors", MODEL)
    assert about["config"]["train"]["init"] == str(copy)
    start, _ = load_weights(copy, MODEL)
    for name, tensor in start.items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-6, rtol=0)
    copy.unlink()
    assert call("resume", "run", "--steps", "3") == 0


def test_the_network_s_settings_are_taken_over_too_but_not_against_the_user_s(
    trained, tmp_path, monkeypatch, capsys
):
    """Whatever the recipe says: weights fit no other network, and mean nothing to another process."""
    monkeypatch.chdir(tmp_path)
    words = [
        "--run",
        "run",
        "--steps",
        "1",
        "--batch",
        "4",
        "--set",
        "train.preview=0",
        "--set",
        "modality.size=8",
    ]
    words += ["--set", "backbone.dropout=0.2", "--set", "sample.steps=4"]
    assert (
        call(
            "train",
            "-m",
            "image",
            str(small.pictures()),
            "--recipe",
            "ddpm",
            "--init",
            str(trained),
            *words,
        )
        == 0
    )
    about = load_weights(tmp_path / "run" / "model.safetensors", MODEL)[1]["config"]
    assert (about["backbone"]["channels"], about["backbone"]["multipliers"]) == (8, [1, 2])
    assert about["backbone"]["dropout"] == 0.2
    assert about["process"]["use"] == "edm"
    assert about["train"]["steps"] == 1
    assert "; new: augment" not in capsys.readouterr().err


def test_a_model_that_is_not_there_is_reported_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("train", "-m", "image", str(small.pictures()), "--init", "nothing") == 2
    assert list(tmp_path.iterdir()) == []
