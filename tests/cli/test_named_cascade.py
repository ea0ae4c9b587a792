"""Cascades that plugins bring, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import call, pictures

from difftool.plugin.registry import Registry
from difftool.workflows.cascade import cascade_path, stages_of

PARTS = Registry.load_all()
LITTLE = [
    word
    for setting in (
        "train.steps=2",
        "train.batch=2",
        "train.preview=2",
        "train.device=cpu",
        "sample.steps=2",
        "backbone.channels=8",
    )
    for word in ("--set", setting)
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", PARTS.names("cascade"))
def test_every_installed_one_resolves(name):
    """Without faults, one stage after another: what keeps stages apart is a fault too."""
    stages = stages_of(cascade_path(name, PARTS), PARTS)
    assert len({stage.name for stage in stages}) == len(stages) >= 2
    assert {stage.config.modality.use for stage in stages} == {name.partition("/")[0]}


def test_one_is_trained_gone_on_with_and_sampled(capsys):
    line = ("train", "--cascade", "image/16-32-64", str(pictures()), *LITTLE)
    assert call(*line) == 0
    assert Path(root := capsys.readouterr().out.split()[-1]).name == f"{pictures().name}-16-32-64"
    assert {path.name for path in Path(root).iterdir() if path.is_dir()} == {"base", "x2", "x4"}
    assert call(*line) == 0
    assert "already trained" in capsys.readouterr().err
    assert call("sample", root, "-n", "2", "-o", "made") == 0
    assert len(list(Path("made").glob("*.png"))) == 2


def test_a_file_builds_on_one():
    Path("mine.toml").write_text(
        'extends = "image/16-32-64"\n[[stage]]\nname = "x4"\n[stage.train]\nsteps = 7\n'
    )
    base, _, last = stages_of(Path("mine.toml"), PARTS)
    assert (base.config.train.steps, last.config.train.steps) == (2200, 7)
    assert last.config.modality.options.size == 64


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--cascade", "16-32-64"], "does not name its modality"),
        (
            ["--cascade", "image/16-32"],
            "There is no cascade 'image/16-32'. Did you mean 'image/16-32-64'?",
        ),
        (["mine.toml", "--cascade", "image/16-32-64"], "both name a cascade"),
        (
            ["--cascade", "image/16-32-64", "--recipe", "tiny"],
            "--recipe: a cascade takes this from its file",
        ),
    ],
)
def test_what_is_not_there_is_named(words, told, capsys):
    assert call("train", *words) == 2
    assert told in capsys.readouterr().err
