"""``cascade tune`` through the command line alone: levels tried, one kept, and used when sampling."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from measures import BRIGHTNESS, give_metrics
from PIL import Image
from small import SETS, call, pictures

import difftool_image.plugin
from difftool import assemble
from difftool.cli.terminal import Terminal
from difftool.workflows import tune

THREE = """
modality = "image"

[[stage]]
name = "base"
[stage.modality]
size = 4

[[stage]]
name = "x2"
[stage.modality]
size = 8
[stage.bridge]
use = "resample"
factors = [1, 2, 2]
augment = 0.5

[[stage]]
name = "x4"
[stage.modality]
size = 16
[stage.bridge]
use = "resample"
factors = [1, 2, 2]
"""
"""The last stage is trained without noise on what it is shown."""

LEARNING = ["optimizer.use=adamw", "optimizer.lr=0.02", "ema.halflife=[1]"]
WORDS = [
    word for setting in [*SETS, *LEARNING] if "size" not in setting for word in ("--set", setting)
]
TRAIN = ("train", "three.toml", str(pictures()), *WORDS, "--steps", "6")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which ``runs/three`` was trained, and other pictures, ``others``."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("three.toml").write_text(THREE)
        shutil.copytree(pictures(), "others")
        assert call(*TRAIN) == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    """In that folder; what is found is forgotten again."""
    monkeypatch.chdir(place)
    kept = Path("runs/three/cascade.toml").read_text()
    yield
    Path("runs/three/cascade.toml").write_text(kept)


def pixels(folder: str) -> list[list]:
    return [np.asarray(Image.open(path)).tolist() for path in sorted(Path(folder).glob("*.png"))]


def levels() -> list[float | None]:
    return [
        stage.get("level")
        for stage in tomllib.loads(Path("runs/three/cascade.toml").read_text())["stage"]
    ]


def found(capsys, *args: str) -> tuple[dict, str]:
    capsys.readouterr()
    assert call("cascade", "tune", *args, "--json") == 0
    captured = capsys.readouterr()
    return json.loads(captured.out), captured.err


def test_the_level_is_kept_and_sample_uses_it(capsys, monkeypatch):
    """The level that is chosen is changed here, so that it is told from all others."""
    monkeypatch.setattr("difftool.engine.tune.best", lambda candidates: candidates[-1])
    assert call("sample", "three", "-n", "3", "-o", "before") == 0
    told, _ = found(capsys, "three", "-n", "4", "--levels", "0.3,0")
    assert levels() == [None, 0.3, None]
    assert [stage["level"] for stage in told["stages"]] == [0.3, 0.0]
    assert call("sample", "three", "-n", "3", "-o", "tuned") == 0
    assert call("sample", "three", "-n", "3", "--set", "stage.x2.level=0.3", "-o", "said") == 0
    assert call("sample", "three", "-n", "3", "--level", "0", "-o", "clean") == 0
    assert pixels("tuned") == pixels("said")
    assert pixels("before") == pixels("clean")
    assert pixels("tuned") != pixels("before")


def test_every_level_is_told_with_both_numbers(capsys):
    told, err = found(capsys, "three", "-n", "4")
    x2, x4 = told["stages"]
    assert [one["level"] for one in x2["levels"]] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert [one["level"] for one in x4["levels"]] == [0.0]
    assert x2["level"] in [one["level"] for one in x2["levels"]]
    assert levels() == [None, x2["level"], None]
    for one in (*x2["levels"], *x4["levels"]):
        assert 0 < one["consistency"] < 59
        assert one["distance"] > 0
        assert one["distance_of_degraded"] > 0
    assert x2["samples"] == 4
    assert x2["against"] == {"source": str(pictures()), "count": 36}
    assert 0 < x2["distance_of_data"] < x2["levels"][0]["distance"]
    assert "These are training data." in err


def test_the_table_and_other_data(capsys):
    assert (
        call("cascade", "tune", "three", "others", "-n", "4", "--levels", "0,0.5", "--dry-run") == 0
    )
    captured = capsys.readouterr()
    head, *rows = captured.out.splitlines()
    assert head.split() == ["stage", "level", "psnr_db", "distance", "+-", "degraded"]
    assert [row.split()[:2] for row in rows] == [
        ["x2", "0"],
        ["x2", "0.5"],
        ["x2", "data"],
        ["x4", "0"],
        ["x4", "data"],
    ]
    assert sum("best" in row for row in rows) == 2
    assert (
        f"x2: 4 samples at each level are compared with 36 examples of {Path('others').absolute()}.\n"
        in captured.err
    )
    assert levels() == [None, None, None]  # a dry run


def test_what_is_refined_is_what_the_tuned_stage_before_made(capsys, monkeypatch):
    """And it is made once for all levels."""
    drawn = []
    real = Terminal.counted
    monkeypatch.setattr(
        Terminal,
        "counted",
        lambda self, things, total, what: drawn.append(what) or real(self, things, total, what),
    )
    whole, _ = found(capsys, "three", "-n", "4", "--levels", "0,0.4")
    assert drawn == [
        "sampling",
        *(f"sampling at level {level}" for level in ("0", "0", "0.4", "0.4", "0", "0")),
    ]
    alone, _ = found(capsys, "three", "-n", "4", "--stage", "x4")
    assert alone["stages"] == whole["stages"][1:]
    first, _ = found(capsys, "three", "-n", "4", "--levels", "0,0.4", "--stage", "x2", "--dry-run")
    assert first["stages"][0]["levels"] == whole["stages"][0]["levels"]


def test_what_was_found_before_it_was_stopped_is_kept(capsys, monkeypatch):
    real = tune._swept

    def stopped(chain, number, *rest):
        if number == 2:
            raise KeyboardInterrupt
        return real(chain, number, *rest)

    monkeypatch.setattr(tune, "_swept", stopped)
    assert call("cascade", "tune", "three", "-n", "4", "--levels", "0.3") == 130
    assert "Saved in runs/three: x2 at 0.3." in capsys.readouterr().err
    assert levels() == [None, 0.3, None]


def test_of_few_data_as_many_samples_are_made_as_there_are_to_refine(capsys):
    Path("few").mkdir()
    for path in sorted(pictures().glob("*/*"))[:5]:
        shutil.copy(path, "few")
    told, _ = found(capsys, "three", "few", "--levels", "0", "--dry-run")
    assert [(stage["samples"], stage["against"]["count"]) for stage in told["stages"]] == [
        (2, 3),
        (2, 3),
    ]
    for path in sorted(Path("few").iterdir())[1:]:
        path.unlink()
    assert call("cascade", "tune", "three", "few") == 3
    assert "holds one example. At least 2 are needed" in capsys.readouterr().err


def test_a_finished_run_that_is_a_stage_is_tuned_as_well(capsys):
    Path("reuse.toml").write_text(
        'modality = "image"\n'
        + "".join(f'[[stage]]\nname = "{n}"\nrun = "runs/three/{n}"\n' for n in ("base", "x2"))
    )
    assert call("train", "reuse.toml") == 0
    told, _ = found(capsys, "reuse", "-n", "4", "--levels", "0.2")
    assert told["stages"][0]["level"] == 0.2
    assert tomllib.loads(Path("runs/reuse/cascade.toml").read_text())["stage"][1]["level"] == 0.2
    assert call("sample", "reuse", "-n", "2", "-o", "reused") == 0


def test_training_goes_on_with_the_level_that_was_found_unless_another_is_said(capsys):
    found(capsys, "three", "-n", "4", "--levels", "0.2", "--stage", "x2")
    assert call(*TRAIN) == 0
    assert levels() == [None, 0.2, None]
    assert call(*TRAIN, "--set", "stage.x2.level=0.4") == 0
    assert "x2: the new level 0.4 replaces 0.2 in runs/three." in capsys.readouterr().err
    assert levels() == [None, 0.4, None]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["three/base"], "three/base is not a cascade folder"),
        (["three", "--stage", "base"], "base refines nothing, so it has no level to tune"),
        (["three", "--stage", "x3"], "--stage x3: there is no stage 'x3'"),
        (
            ["three", "--levels", "0,9"],
            "--levels: x2: level 9 is more noise than it is trained with. Choose a level from 0 to 0.5",
        ),
        (["three", "--levels", "0,a"], "is not a list of numbers"),
        (["three", "--levels", "-1"], "is not below 0"),
        (["three", "nowhere"], "nowhere"),
        (["untrained"], "Not trained yet: base, x2, x4"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_refused_before_weights_are_loaded(capsys, monkeypatch, args, said):
    monkeypatch.setattr(assemble, "load_stage", lambda *a, **k: pytest.fail("weights were loaded"))
    Path("runs/untrained").mkdir(exist_ok=True)
    shutil.copy("runs/three/cascade.toml", "runs/untrained")
    assert call("cascade", "tune", *args) in (2, 3)
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert levels() == [None, None, None]


def test_data_to_which_the_metric_does_not_apply_is_refused(capsys, monkeypatch):
    give_metrics(monkeypatch, difftool_image.plugin, [BRIGHTNESS])
    assert call("cascade", "tune", "three") == 2
    assert (
        "by a metric that is a distance from the data, and image has none"
        in capsys.readouterr().err
    )
