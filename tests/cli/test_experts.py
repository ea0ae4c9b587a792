"""Experts through the command line alone: trained with their stage, gone on with, sampled, refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import SETS, alike, call, examples, pictures, same

from difftool import assemble
from difftool.engine import fit

ONE = """
modality = "image"

[[stage]]
name = "base"
[stage.modality]
size = 4
[stage.backbone]
channels = 8
[stage.train]
steps = 4

[[stage.expert]]
name = "fine"
below = 0.6
[stage.expert.train]
steps = 3

[[stage.expert]]
name = "finest"
below = 0.1
[stage.expert.backbone]
channels = 16
[stage.expert.train]
init = ""
"""
LEARNING = ["optimizer.lr=0.02", "ema.halflife=[1]"]
WORDS = [
    word
    for setting in [*SETS, *LEARNING]
    if "size" not in setting and "channels" not in setting
    for word in ("--set", setting)
]
TRAIN = ("train", "one.toml", str(pictures()), *WORDS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which the cascade ``runs/one`` was trained, and sampled into ``made``."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("one.toml").write_text(ONE)
        assert call(*TRAIN) == 0
        assert call("sample", "-n", "3", "-o", "made") == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def config(run: str) -> str:
    return Path(f"runs/{run}/config.toml").read_text()


def test_an_expert_is_a_run_beside_its_stage_of_its_own_levels(capsys):
    assert call("runs", "list", "--json") == 0
    [one] = json.loads(capsys.readouterr().out)
    assert (one["cascade"], one["step"], one["steps"], one["finished"]) == (["base"], 11, 11, True)
    assert [run["run"] for run in one["stages"]] == [
        "runs/one/base",
        "runs/one/base-fine",
        "runs/one/base-finest",
    ]
    assert "low = 0.1\nhigh = 0.6" in config("one/base-fine")
    assert "low = 0.0\nhigh = 0.1" in config("one/base-finest")
    assert 'init = ""' in config("one/base-finest")
    assert 'base/model.safetensors"' in config("one/base-fine")


def test_an_expert_that_is_lost_is_trained_again_to_the_same_weights(capsys):
    shutil.copytree("runs/one", "runs/lost")
    shutil.rmtree("runs/lost/base-fine")
    assert call("sample", "lost") == 2
    assert (
        "Not trained yet: base-fine. Resume the training: difftool resume runs/lost"
        in capsys.readouterr().err
    )
    assert call("resume", "lost") == 0
    assert capsys.readouterr().err.count("already trained") == 2
    assert alike("lost/base-fine", "one/base-fine")


def test_an_expert_that_is_stopped_goes_on_to_the_very_same_end(capsys, monkeypatch):
    real, added = fit.LossLog.add, []

    def adding(self, step, loss):
        added.append(step)
        if len(added) == 4 + 2:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, step, loss)

    monkeypatch.setattr(fit.LossLog, "add", adding)
    assert call(*TRAIN, "--run", "runs/stopped") == 130
    assert "Stopped at step 2 of 3" in capsys.readouterr().err
    assert call("resume", "stopped") == 0
    assert all(
        alike(f"stopped/{run}", f"one/{run}") for run in ("base", "base-fine", "base-finest")
    )


def test_an_expert_alone_waits_for_its_stage(capsys):
    assert call(*TRAIN, "--run", "runs/alone", "--stage", "base-fine") == 2
    err = capsys.readouterr().err
    assert "starts from the final weights of the stage base, which is not finished" in err
    assert (
        call(*TRAIN, "--run", "runs/alone", "--stage", "base-finest") == 0
    )  # it starts from nothing
    assert alike("alone/base-finest", "one/base-finest")
    assert call(*TRAIN, "--run", "runs/alone", "--stage", "base", "--set", "train.preview=0") == 0
    assert not Path("runs/alone/base-fine").exists()
    assert call("resume", "alone", "--stage", "base-fine") == 0
    assert alike("alone/base-fine", "one/base-fine")


def test_a_stage_that_fails_leaves_its_experts_for_later(capsys):
    assert (
        call(
            *TRAIN,
            "--run",
            "runs/failing",
            "--set",
            "stage.base.train.device=nothere",
            "--set",
            "stage.base.expert.finest.train.device=cpu",
        )
        == 5
    )
    err = capsys.readouterr().err
    assert "2 of 3 stages failed: base, base-fine" in err
    assert alike("failing/base-finest", "one/base-finest")


def test_no_preview_pretends(capsys):
    assert (
        call(
            "train",
            "one.toml",
            str(pictures()),
            *WORDS,
            "--run",
            "runs/seen",
            "--set",
            "train.preview=2",
            "--set",
            "train.steps=1",
        )
        == 0
    )
    assert capsys.readouterr().err.count("No preview is made: the model was trained on noise") == 2
    assert list(Path("runs/seen/base/samples").glob("preview-*"))
    assert not list(Path("runs/seen/base-fine").glob("samples/preview-*"))


def test_a_sample_says_who_made_it_and_several_runs_give_the_same():
    from PIL import Image

    assert (
        call(
            "sample",
            "one/base",
            "--expert",
            "one/base-fine@0.6",
            "--expert",
            "one/base-finest@0.1",
            "-n",
            "3",
            "-o",
            "named",
        )
        == 0
    )
    assert same(examples("named"), examples("made"))
    info = json.loads(Image.open("named/000000-left.png").info["difftool"])
    assert (
        info["experts"]
        == "runs/one/base-fine/model.safetensors@0.6, runs/one/base-finest/model.safetensors@0.1"
    )
    assert call("sample", "one/base", "-n", "3", "-o", "without") == 0
    assert not same(examples("without"), examples("made"))


def test_a_run_as_its_own_expert_changes_nothing():
    assert call("sample", "one/base", "-n", "3", "-o", "plain") == 0
    assert call("sample", "one/base", "--expert", "one/base@0.5", "-n", "3", "-o", "itself") == 0
    assert same(examples("itself"), examples("plain"))


def test_runs_that_are_trained_can_be_stage_and_expert():
    text = '[[stage]]\nname = "base"\nrun = "runs/one/base"\n'
    text += '[[stage.expert]]\nname = "a"\nbelow = 0.6\nrun = "runs/one/base-fine"\n[[stage.expert]]\nname = "b"\nbelow = 0.1\n'
    Path("reuse.toml").write_text(text + "[stage.expert.train]\nsteps = 2\n")
    assert call("train", "reuse.toml") == 0
    assert [path.name for path in Path("runs/reuse").glob("*/")] == ["base-b"]
    assert "steps = 2" in config("reuse/base-b")
    there, here = (
        load_file(f"runs/{run}/model.safetensors") for run in ("one/base", "reuse/base-b")
    )
    assert {name: t.shape for name, t in there.items()} == {
        name: t.shape for name, t in here.items()
    }
    assert not all(torch.equal(there[name], here[name]) for name in there)
    assert call("sample", "reuse", "-n", "1", "-o", "reused") == 0
    assert call("resume", "reuse") == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["one/base-fine"],
            "runs/one/base-fine was trained on noise above 0.1 and below 0.6 only, but would serve from 80 down to 0.002",
        ),
        (
            ["one/base", "--expert", "one/base-fine@0.6"],
            "would serve from 0.6 down to 0.002. Choose the levels",
        ),
        (
            ["one/base", "--expert", "one/base-finest@0.2"],
            "trained on noise below 0.1 only, but would serve from 0.2",
        ),
        (["one/base", "--expert", "one/base@0.001"], "runs/one/base would never take over"),
        (["one/base", "--expert", "one/base"], "does not have the form RUN@LEVEL"),
        (["one/base", "--expert", "one/base@-1"], "does not have the form RUN@LEVEL"),
        (
            ["one/base", "--expert", "one/base@1", "--expert", "one/base@1.0"],
            "another expert takes over below 1 as well",
        ),
        (["one/base", "--expert", "one/other@1"], "There is no run 'one/other'"),
        (["one/base", "one/base", "--expert", "one/base@1"], "--expert works with one model only"),
        (["one/base", "--expert", "large@1"], "large for runs/one/base: modality.size is 8, not 4"),
        (["one/base", "--expert", "unlabelled@1"], "only its stage has the condition class"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused_before_weights_are_loaded(
    capsys, monkeypatch, others, args, said
):
    monkeypatch.setattr(assemble, "load_stage", lambda *a, **k: pytest.fail("weights were loaded"))
    before = sorted(Path().rglob("*"))
    assert call("sample", *args) == 2
    assert said in capsys.readouterr().err
    assert sorted(Path().rglob("*")) == before


@pytest.fixture(scope="module")
def others(place):
    """Runs of one step: of larger pictures, and without labels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = (
            "train",
            "-m",
            "image",
            str(pictures()),
            *WORDS,
            "--set",
            "backbone.channels=8",
            "--steps",
            "1",
        )
        assert call(*words, "--size", "8", "--run", "runs/large") == 0
        assert (
            call(
                *words,
                "--size",
                "4",
                "--set",
                "conditions.class.use=none",
                "--run",
                "runs/unlabelled",
            )
            == 0
        )


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        (
            "expert fine: it cannot start from the weights of its stage, whose process is edm, because its own is flow",
            '[stage.expert.process]\nuse = "flow"',
        ),
        ("base-fine for base: modality.size is 8, not 4", "[stage.expert.modality]\nsize = 8"),
        (
            "base-fine was trained on noise below 0.5 only, but would serve from 0.6",
            "[stage.expert.density]\nhigh = 0.5",
        ),
        ("The density draws no noise levels", "[stage.expert.density]\np_mean = 9"),
        ("x.toml:9: unknown key stpes", "[stage.expert.train]\nstpes = 3"),
    ],
)
def test_experts_that_cannot_be_are_named_before_anything_is_trained(capsys, said, changes):
    Path("x.toml").write_text(
        f'modality = "image"\n[[stage]]\nname = "base"\n[[stage.expert]]\nname = "fine"\nbelow = 0.6\n\n{changes}\n'
    )
    assert (
        call(
            "train",
            "x.toml",
            str(pictures()),
            *WORDS,
            "--set",
            "stage.base.modality.size=4",
            "--steps",
            "1",
        )
        == 2
    )
    err = capsys.readouterr().err
    assert said.replace("x.toml:9: unknown key ", "x.toml:9: train.") in err
    assert not Path("runs/x").exists()
