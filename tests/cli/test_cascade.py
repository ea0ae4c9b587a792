"""Cascades through the command line alone: trained, stopped, gone on with, sampled."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small import SETS, TWO, alike, call, examples, pictures, same

import difftool
from difftool import Batch, Denoiser, Item, assemble
from difftool.cli.terminal import Terminal
from difftool.engine import fit
from difftool.files import alone
from difftool.workflows.inputs import read_low
from difftool.workflows.request import Request

LEARNING = ["optimizer.lr=0.02", "ema.halflife=[1]"]
"""So fast that what a stage is shown makes a difference after a few steps."""

WORDS = [
    word for setting in [*SETS, *LEARNING] if "size" not in setting for word in ("--set", setting)
]
TRAIN = ("train", "two.toml", str(pictures()), *WORDS, "--steps", "6")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which the cascade ``runs/two`` was trained, and sampled into ``made``."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("two.toml").write_text(TWO)
        assert call(*TRAIN) == 0
        assert call("sample", "-n", "3", "-o", "made") == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def test_a_cascade_is_a_folder_of_runs(capsys):
    assert call("runs", "list", "--json") == 0
    two = next(run for run in json.loads(capsys.readouterr().out) if run["run"] == "runs/two")
    assert (two["cascade"], two["modality"], two["step"], two["steps"], two["finished"]) == (
        ["base", "x2"],
        "image",
        12,
        12,
        True,
    )
    assert [stage["run"] for stage in two["stages"]] == ["runs/two/base", "runs/two/x2"]
    assert call("runs", "list") == 0
    assert "cascade of 2" in capsys.readouterr().out
    assert call("runs", "show", "two/x2") == 0
    assert 'use = "resample"' in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", [TRAIN, ("resume", "two"), ("train", "runs/two/cascade.toml", "--run", "runs/two")]
)
def test_what_is_trained_is_not_trained_again(capsys, line):
    models = [Path(f"runs/two/{name}/model.safetensors") for name in ("base", "x2")]
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in models]
    assert call(*line) == 0
    assert capsys.readouterr().err.count("already trained") == 2
    assert [(path.stat().st_mtime_ns, path.stat().st_ino) for path in models] == before


def test_a_stage_that_has_begun_keeps_its_settings_and_may_be_sampled_otherwise(capsys):
    resolved = Path("runs/two/cascade.toml").read_text()
    assert call(*TRAIN, "--set", "stage.x2.backbone.channels=16") == 2
    err = capsys.readouterr().err
    assert (
        "the stage x2, which has begun with other settings (backbone.channels is 8 there and 16 here)"
        in err
    )
    assert "difftool resume runs/two" in err
    assert Path("runs/two/cascade.toml").read_text() == resolved
    assert call(*TRAIN, "--set", "stage.x2.sample.steps=3") == 0
    assert call("sample", "-n", "3", "-o", "otherwise") == 0
    assert not same(examples("otherwise"), examples("made"))
    assert call(*TRAIN) == 0
    assert Path("runs/two/cascade.toml").read_text() == resolved


def test_one_stage_is_sampled_otherwise_from_python_too():
    chain = difftool.load("two")
    few, more = (chain.sample(2, **{"stage.x2.sample.steps": steps}) for steps in (2, 3))
    assert more.evaluations == few.evaluations + 2  # one step more, which is guided


def test_a_cascade_that_is_stopped_goes_on_to_the_very_same_end(capsys, monkeypatch):
    """In the middle of its second stage, between two checkpoints."""
    real, added = fit.LossLog.add, []

    def adding(self, step, loss):
        added.append(step)
        if len(added) == 6 + 5:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, step, loss)

    monkeypatch.setattr(fit.LossLog, "add", adding)
    assert call(*TRAIN, "--run", "runs/stopped") == 130
    assert "difftool resume runs/stopped" in capsys.readouterr().err.splitlines()[-1]
    assert call("resume", "stopped", "--json") == 0
    assert [
        stage["finished_before"] for stage in json.loads(capsys.readouterr().out)["stages"]
    ] == [True, False]
    assert alike("stopped/base", "two/base")
    assert alike("stopped/x2", "two/x2")


def test_a_stage_alone_and_one_that_fails_and_the_rest_later(capsys):
    sets = ("--set", "stage.base.train.device=nothere", "--run", "runs/failing")
    assert call(*TRAIN, *sets) == 5
    err = capsys.readouterr().err
    assert "Stage base:" in err
    assert "1 of 2 stages failed: base" in err
    assert Path("runs/failing/x2/model.safetensors").is_file()
    assert call("sample", "failing") == 2
    assert "Not trained yet: base" in capsys.readouterr().err
    assert call(*TRAIN, "--run", "runs/failing", "--stage", "base") == 0
    assert "Done. Sample from it with: difftool sample runs/failing" in capsys.readouterr().err
    assert call("sample", "failing", "-n", "3", "-o", "late") == 0
    assert same(examples("late"), examples("made"))


def test_a_stage_that_another_process_trains_is_left_to_it(capsys):
    assert call(*TRAIN, "--run", "runs/busy", "--stage", "base", "--steps", "2") == 0
    with alone(Path("runs/busy/base/.lock")) as free:
        assert free
        assert call("resume", "busy", "--stage", "base", "--steps", "3") == 2
    assert "runs/busy/base is being trained by another process" in capsys.readouterr().err


def test_a_run_whose_folder_was_being_made_when_it_was_killed_begins_anew():
    Path("runs/unborn/base").mkdir(parents=True)
    Path("runs/unborn/cascade.toml").write_text(Path("runs/two/cascade.toml").read_text())
    for name in (".lock", "description.json"):
        (Path("runs/unborn/base") / name).touch()
    assert call("resume", "unborn", "--stage", "base") == 0
    assert alike("unborn/base", "two/base")


def test_a_cascade_whose_file_is_spoilt_hides_no_other(capsys):
    Path("runs/spoilt").mkdir()
    Path("runs/spoilt/cascade.toml").write_text('[stage]\nname = "x"')
    assert call("runs", "list", "--json") == 0
    found = {run["run"]: run for run in json.loads(capsys.readouterr().out)}
    Path("runs/spoilt/cascade.toml").unlink()
    assert found["runs/two"]["cascade"] == ["base", "x2"]
    assert (found["runs/spoilt"]["cascade"], found["runs/spoilt"]["finished"]) == ([], False)


def test_a_stage_trained_alone_says_what_it_is_sampled_with(capsys):
    assert call("resume", "two/x2") == 0
    assert (
        "Sample from it with: difftool sample runs/two/x2 --from FILES" in capsys.readouterr().err
    )


def test_of_a_file_that_is_cut_it_is_reported(capsys):
    modality = SimpleNamespace(
        read=lambda item: np.zeros((1, len(item.path.name)), np.int16),
        read_given=lambda item: np.zeros((1, 3 * len(item.path.name)), np.int16),
        collate=lambda read, rng: Batch(torch.from_numpy(read[0][None, :, :5])),
    )
    for name, size, said in (("short", 5, False), ("longer", 5, True)):
        link = SimpleNamespace(request=Request())
        assert read_low(
            Item(Path(name)), modality, link, degraded=False, reporter=Terminal(), as_trained=True
        ).shape == (1, size)
        assert ("a random part of it" in capsys.readouterr().err) == said
        assert read_low(
            Item(Path(name)), modality, link, degraded=False, reporter=Terminal()
        ).shape == (1, 3 * len(name))


def test_a_stage_that_has_not_begun_ends_where_it_is_told_to(capsys):
    Path("runs/short").mkdir()
    Path("runs/short/cascade.toml").write_text(Path("runs/two/cascade.toml").read_text())
    assert call("resume", "short", "--stage", "x2", "--steps", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["stages"][0]["steps"] == 2


def test_a_cascade_s_own_file_is_not_replaced_by_what_it_resolves_to(capsys):
    Path("mine").mkdir()
    Path("mine/cascade.toml").write_text(f"# mine\n{TWO}")
    assert call("train", "mine/cascade.toml", *TRAIN[2:], "--run", "mine") == 2
    assert "This run would overwrite mine/cascade.toml" in capsys.readouterr().err
    assert [path.name for path in Path("mine").iterdir()] == ["cascade.toml"]
    assert Path("mine/cascade.toml").read_text().startswith("# mine")


def test_the_model_that_training_began_from_may_be_gone():
    Path("old.safetensors").write_bytes(Path("runs/two/base/model.safetensors").read_bytes())
    assert (
        call(
            *TRAIN,
            "--run",
            "runs/begun",
            "--stage",
            "base",
            "--set",
            'stage.base.train.init="old.safetensors"',
        )
        == 0
    )
    Path("old.safetensors").unlink()
    assert call("sample", "begun", "--until", "base", "-n", "1", "-o", "begun") == 0
    assert call("resume", "begun", "--stage", "base") == 0


def test_a_dry_run_of_all_stages_writes_nothing(capsys):
    before = sorted(Path().rglob("*"))
    assert call(*TRAIN, "--run", "runs/dry", "--dry-run", "--json") == 0
    plans = json.loads(capsys.readouterr().out)
    assert [plans[name]["raw_shape"] for name in ("base", "x2")] == [[3, 4, 4], [3, 8, 8]]
    assert sorted(Path().rglob("*")) == before


def test_a_finished_run_can_be_a_stage(capsys):
    Path("reuse.toml").write_text(
        'extends = "two.toml"\n[sample]\nsteps = 4\n[[stage]]\nname = "base"\nrun = "runs/two/base"\n[stage.guidance]\nscale = 1.5\n'
    )
    words = ("train", "reuse.toml", str(pictures()), *WORDS, "--steps", "6")
    assert call(*words) == 2
    assert (
        "[modality] cannot be changed, because the stage is trained already by run ="
        in capsys.readouterr().err
    )
    Path("reuse.toml").write_text(
        TWO.replace("[stage.modality]\nsize = 4", 'run = "runs/two/base"')
    )
    assert call(*words) == 0
    assert not Path("runs/reuse/base").exists()
    assert call("sample", "reuse", "-n", "3", "-o", "reused") == 0
    assert same(examples("reused"), examples("made"))


def test_samples_depend_on_the_seed_and_their_number_alone():
    assert (
        call("sample", "two", "-n", "2", "--start", "1", "--batch", "1", "--save-all", "-o", "all")
        == 0
    )
    made = examples("made")
    assert same(examples("all/x2"), {name: made[name] for name in list(made)[1:]})
    assert {one.shape for one in examples("all/base").values()} == {(4, 4, 3)}
    assert {one.shape for one in made.values()} == {(8, 8, 3)}
    assert list(examples("all/base")) == list(
        examples("all/x2")
    )  # the names hold the labels: every stage was told the same


def test_several_runs_are_a_cascade_as_well(capsys):
    assert (
        call("sample", "two/base", "two/x2", "-n", "3", "--set", "stage.x2.level=0.1", "-o", "pair")
        == 0
    )
    assert same(examples("pair"), examples("made"))
    assert call("sample", "two/base", "two/x2", "-n", "3", "-o", "clean") == 0  # at level 0
    assert not same(examples("clean"), examples("made"))


def test_sampling_ends_where_it_is_told_to():
    assert call("sample", "two", "-n", "3", "--until", "base", "-o", "until") == 0
    assert call("sample", "two/base", "-n", "3", "-o", "alone") == 0
    assert same(examples("until"), examples("alone"))


def test_files_take_an_earlier_stage_s_place(capsys):
    """What the first stage made, given as files, becomes what the whole cascade made of it."""
    assert call("sample", "two", "-n", "3", "--until", "base", "-o", "low") == 0
    assert call("sample", "two", "--from", "low", "-o", "given") == 0
    assert same(examples("given"), examples("made"))
    assert (
        call("sample", "two", "--from", "low", "-n", "4", "--cond", "class=left", "-o", "more") == 0
    )
    assert list(examples("more")) == [f"{i:06d}-left.png" for i in range(4)]
    assert (
        call("sample", "two/x2", "--from", str(pictures()), "-n", "3", "--start", "19", "-o", "own")
        == 0
    )
    assert list(examples("own")) == [
        "000019-above.png",
        "000020-left.png",
        "000021-left.png",
    ]  # as their folders say


def test_one_stage_enlarges_files_as_the_cascade_does(capsys):
    """In its cascade's folder it finds the stage before it; elsewhere a file is what it refines."""
    Image.fromarray(np.full((5, 3, 3), 90, np.uint8)).save("little.png")
    assert call("sample", "two", "--from", "little.png", "-o", "by-cascade") == 0
    same_level = ("--level", "0.1")  # which the cascade's file says
    assert call("sample", "two/x2", "--from", "little.png", *same_level, "-o", "by-stage") == 0
    assert {one.shape for one in examples("by-cascade").values()} == {(10, 6, 3)}
    assert same(examples("by-stage"), examples("by-cascade"))
    shutil.copytree("runs/two/x2", "apart")
    capsys.readouterr()
    assert call("sample", "apart", "--from", "little.png", "-o", "by-itself") == 0
    assert "The files are taken as what apart refines." in capsys.readouterr().err
    assert {one.shape for one in examples("by-itself").values()} == {(10, 6, 3)}
    assert call("sample", "apart", "--from", "little.png", "--as-trained", "-o", "cut") == 0
    assert "degraded as in its training" in capsys.readouterr().err
    assert {one.shape for one in examples("cut").values()} == {(8, 8, 3)}


@pytest.mark.parametrize(
    ("size", "made", "base"), [("10x6", (10, 6), (5, 3)), ("9", (9, 9), (5, 5))]
)
def test_a_size_is_that_of_what_comes_out(size, made, base):
    """Also one that the factors do not divide: the stage before is asked for the next larger part."""
    folder = f"sized-{size}"
    assert call("sample", "two", "-n", "2", "--size", size, "--save-all", "-o", folder) == 0
    for stage, sizes in (("x2", made), ("base", base)):
        assert {one.shape for one in examples(f"{folder}/{stage}").values()} == {(*sizes, 3)}
    assert (
        call("sample", "two", "-n", "1", "--size", size, "--until", "base", "-o", f"{folder}-base")
        == 0
    )
    assert {one.shape[:2] for one in examples(f"{folder}-base").values()} == {made}


def test_a_file_that_is_larger_is_refined_whole_in_tiles(capsys, monkeypatch):
    """Of whatever size; and brought to the size of training where that is asked for."""
    pixels = np.linspace(0, 255, 11 * 15 * 3).reshape(11, 15, 3).astype(np.uint8)
    Image.fromarray(pixels).save("large.png")
    seen, inner = set[tuple[int, ...]](), Denoiser.outputs
    monkeypatch.setattr(
        Denoiser,
        "outputs",
        lambda self, x, *rest: seen.add(tuple(x.shape[2:])) or inner(self, x, *rest),
    )
    assert call("sample", "two", "--from", "large.png", "-o", "whole") == 0
    assert "larger than the training examples and refined whole" in capsys.readouterr().err
    assert {one.shape for one in examples("whole").values()} == {(22, 30, 3)}
    assert seen == {(8, 8)}
    assert call("sample", "two", "--from", "large.png", "--tile", "off", "-o", "untiled") == 0
    assert seen == {(8, 8), (22, 30)}
    assert not same(examples("untiled"), examples("whole"))
    assert (
        call(
            "sample",
            "two",
            "--from",
            "large.png",
            "--tile",
            "6,30",
            "--overlap",
            "0.5",
            "-o",
            "bands",
        )
        == 0
    )
    assert (6, 30) in seen
    assert call("sample", "two/x2", "--from", "large.png", "--level", "0.1", "-o", "again") == 0
    assert same(examples("again"), examples("whole"))
    capsys.readouterr()
    assert call("sample", "two", "--from", "large.png", "--as-trained", "-o", "small") == 0
    assert {one.shape for one in examples("small").values()} == {(8, 8, 3)}
    assert "larger" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["two", "--as-trained"], "--as-trained has an effect on files to refine only"),
        (
            ["two", "--tile", "nope"],
            "nope is not a tile size. Use auto, off, or a whole number for each axis",
        ),
        (["two/x2"], "x2 refines the samples of an earlier stage"),
        (["two/x2", "two/base"], "base after x2: it was trained without a bridge"),
        (
            ["two/base", "two/x2", "two/x2"],
            "x2-2 after x2: The earlier stage makes examples of 3 x 8 x 8",
        ),
        (["two", "--until", "x3"], "--until x3: there is no stage 'x3'. The stages are: base, x2"),
        (["two", "--stage", "x2"], "--stage names the stage that refines files"),
        (["two/base", "--from", "made"], "base refines nothing"),
        (["two/base", "--level", "1"], "--level has an effect on stages that refine"),
        (
            ["two", "--level", "9"],
            "x2: level 9 is more noise than it is trained with. Choose a level from 0 to 0.5",
        ),
        (
            ["two", "--set", "stage.base.level=0.1"],
            "--set stage.base.level: a level is noise on a stage's input",
        ),
        (
            ["two", "--cond", "klass=left"],
            "The stages have no condition 'klass'. Known are: class.",
        ),
        (["two", "--cond", "class=lefd"], "Did you mean 'left'?"),
        (
            [
                "two",
                "--set",
                "stage.x2.train.steps=1",
                "--set",
                "stage.x2.sample.steps=0",
                "--steps",
                "0",
            ],
            "3 faults",
        ),
        (["two", "--set", "stage.x3.sample.steps=1"], "there is no stage 'x3'"),
        (["two", "--from", "two.toml"], "two.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wishes_that_cannot_be_met_are_refused_before_weights_are_loaded(
    capsys, monkeypatch, args, said
):
    monkeypatch.setattr(assemble, "load_stage", lambda *a, **k: pytest.fail("weights were loaded"))
    before = sorted(Path().rglob("*"))
    assert call("sample", *args) in (2, 3)
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'extends = "two.toml"\n[[stage]]\nname = "base"\n[stage.modality]\nsize = 5',
            "x2 after base: The earlier stage makes examples of 3 x 5 x 5",
        ),
        (
            'extends = "two.toml"\n[[stage]]\nname = "x4"',
            "stage x4: it comes after x2 and has no bridge to it",
        ),
        (
            'extends = "two.toml"\n[[stage]]\nname = "base"\n[stage.bridge]\nuse = "resample"\nfactors = [1, 2, 2]',
            "stage base: it is the first stage and has",
        ),
        (
            'extends = "two.toml"\n[[stage]]\nname = "base"\nlevel = 0.1',
            "stage base: level = 0.1 adds noise to a stage's input",
        ),
        (
            'extends = "two.toml"\n[[stage]]\nname = "x2"\nlevel = 0.6',
            "x2 after base: level 0.6 is more noise than it is trained with",
        ),
        (
            'extends = "two.toml"\n[train]\nstpes = 1\n[[stage]]\nname = "x2"\n[stage.sample]\nbatch = 0',
            "2 faults",
        ),
        (
            'extends = "two.toml"\n[[stage]]\nname = "base"\nrun = "nothere"',
            "There is no run 'nothere'",
        ),
    ],
)
def test_stages_that_cannot_follow_one_another_are_named_before_any_is_trained(capsys, text, said):
    Path("bad.toml").write_text(text)
    assert call("train", "bad.toml", str(pictures()), *WORDS) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs/bad").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["train", "two.toml", "a", "b"],
            "DATA is one folder or file, but the line has 2 words: a b",
        ),
        (["train", "two.toml", "--recipe", "tiny"], "--recipe: a cascade takes this from its file"),
        (["train", "two.toml", "--stage", "x3"], "there is no stage 'x3'"),
        (["train", "-m", "image", "--stage", "x2"], "--stage names a stage of a cascade"),
        (["resume", "two", "--steps", "9"], "Name the stage with --stage NAME"),
        (["resume", "two/x2", "--stage", "x2"], "is a single run. Remove --stage"),
        (
            ["evaluate", "two/x2", "--data", "0"],
            "x2 refines the samples of an earlier stage. Without one, half of the data",
        ),
        (["evaluate", "two/x2", "--data", "1"], "there are only 1 examples"),
        (["evaluate", "two/x2", "two/base"], "base after x2: it was trained without a bridge"),
        (["evaluate", "two", "--until", "x3"], "--until x3: there is no stage 'x3'"),
        (
            ["evaluate", "two", "--set", "stage.x2.level=9"],
            "x2: level 9 is more noise than it is trained with",
        ),
    ],
)
def test_mistakes_are_reported(capsys, args, said):
    assert call(*args) == 2
    assert said in capsys.readouterr().err


def test_processes_that_are_started_together_train_one_stage(capsys, monkeypatch):
    """A second meeting of the same processes would wait for ever."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert call(*TRAIN, "--run", "runs/together") == 2
    assert "Add --stage NAME" in capsys.readouterr().err
    assert not Path("runs/together").exists()


def test_a_sample_is_of_the_class_of_what_it_refines(tmp_path, monkeypatch):
    """Whether its own stage asks for the class or not: the name and the table say it."""
    monkeypatch.chdir(tmp_path)
    Path("blind.toml").write_text(TWO + '[stage.conditions.class]\nuse = "none"\n')
    assert call("train", "blind.toml", str(pictures()), *WORDS, "--steps", "2") == 0
    assert call("sample", "-n", "2", "--cond", "class=left,above", "-o", "made") == 0
    assert sorted(examples("made")) == ["000000-left.png", "000001-above.png"]
    assert Path("made/metadata.csv").read_text().splitlines()[1:] == [
        "000000-left.png,left",
        "000001-above.png,above",
    ]
