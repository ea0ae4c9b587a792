"""``difftool tune schedule``: levels for a model, and a command line that uses them."""

from __future__ import annotations

import json
import math
import shlex

import pytest
from small import SETS, call, examples, pictures, same

WORDS = [word for setting in SETS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = ["--steps", "2", "--run", "runs/first"]
        assert call("train", "-m", "image", str(pictures()), *WORDS, *run) == 0
    return folder


def test_the_command_that_is_printed_visits_the_levels(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    asked = ["tune", "schedule", "runs/first", "--steps", "4", "-n", "4"]
    assert call(*asked, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["examples"] == 4
    assert len(found["levels"]) == 4
    assert found["levels"] == sorted(found["levels"], reverse=True)
    # the hundredth quantile of the levels of training: ln sigma is N(-0.2, 1.2^2)
    assert found["levels"][-1] == pytest.approx(math.exp(-0.2 - 2.326 * 1.2), rel=0.1)
    assert 0 < found["cost"] <= found["usual"]
    assert call(*asked, "--json", "--nats", "--sampler", "euler", "--lowest", "0.03") == 0
    bound = json.loads(capsys.readouterr().out)
    assert (bound["sampler"], bound["levels"][-1]) == ("euler", pytest.approx(0.03))
    assert bound["levels"] != found["levels"]

    assert call(*asked) == 0
    line = shlex.split(capsys.readouterr().out)
    assert line[:2] == ["difftool", "sample"]
    assert call(*line[1:], "-n", "2", "-o", "aligned") == 0
    assert call("sample", "runs/first", "-n", "2", "--steps", "4", "-o", "usual") == 0
    assert not same(examples("aligned"), examples("usual"))


def test_what_cannot_be_tuned_is_refused(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert call("tune", "schedule", "runs/first", "--steps", "99") == 2
    assert "--steps 99 is not between 2 and 48" in capsys.readouterr().err
    assert (
        call("sample", "runs/first", "--set", "schedule.use=ays", "--set", "schedule.levels=[1,2]")
        == 2
    )
    assert "levels must decrease" in capsys.readouterr().err
