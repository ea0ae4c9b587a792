"""``difftool tune sampler`` and ``difftool ema``: what is found is kept in the model, and used."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small import SETS, call, examples, pictures, same

from difftool.assemble import posthoc_average
from difftool.engine.folder import RunFolder
from difftool.engine.weights import MODEL, load_weights
from difftool.judge import judge
from difftool.judge import train as training
from difftool.workflows import bench, tune_guidance, tune_sampler
from difftool.workflows.bench import Candidate, Scored, halved, scored
from difftool.workflows.reporter import Reporter
from difftool.workflows.tuned import tuned_for

WORDS = [word for setting in SETS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run of eight steps with snapshots."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = ["--steps", "8", "--run", "first", "--set", "ema.snapshot_every=2"]
        assert call("train", "-m", "image", str(pictures()), *WORDS, *run) == 0
    return folder


@pytest.fixture
def few(monkeypatch, place):
    """Few candidates, so that a search takes seconds."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(tune_sampler, "SOLVERS", (("sampler.use=unipc", "sampler.order=2"),))
    monkeypatch.setattr(tune_sampler, "LOWEST", ())
    monkeypatch.setattr(tune_sampler, "SCALES", (2.0,))
    monkeypatch.setattr(tune_sampler, "WIDTHS", (0.08,))
    monkeypatch.setattr(bench, "FEWEST", 16)
    monkeypatch.setattr(judge, "FEWEST", 40)  # there are as many
    monkeypatch.setattr(training, "FEWEST", 4)  # of the steps in which the judge learns
    monkeypatch.setattr(training, "EPOCHS", 1)


def test_settings_that_the_model_has_are_not_measured_again():
    own = {"sampler": {"use": "unipc", "order": 3}, "schedule": {"use": "karras", "rho": 7.0}}
    same = ("sampler.use=unipc", "schedule.use=karras", "schedule.rho=7")
    assert tune_sampler.changes(same, own) == ()
    assert tune_sampler.changes((*same, "sampler.order=2"), own) == ("sampler.order=2",)
    assert tune_sampler.changes(("sampler.use=euler", *same[1:]), own) == ("sampler.use=euler",)
    other = ("schedule.use=exponential", "schedule.rho=7")
    assert tune_sampler.changes(other, own) == other  # what it had by itself may differ
    levels = "schedule.levels=[80,1]"
    assert tune_sampler.changes(("schedule.use=ays", levels), own) == ("schedule.use=ays", levels)


def asked(*more: str) -> list[str]:
    return ["tune", "sampler", "first", str(pictures()), "--evaluations", "3", "-n", "32", *more]


@pytest.mark.heavy
def test_what_is_found_is_not_worse_and_is_used_for_that_number_of_steps(few, capsys):
    assert call(*asked("--json")) == 0
    (found,) = json.loads(capsys.readouterr().out)["found"]
    assert found["distance"] <= found["own_distance"]
    # the solver; then it, aligned levels, another scale and another average
    assert found["candidates"] == 5
    about = load_weights(RunFolder.open(Path("first")).model_path, MODEL)[1]
    assert about["tuned"]["3"]["sets"] == found["sets"]

    written = [word for one in found["sets"] for word in ("--set", one)]
    written += ["--ema", str(found["ema"])] if found["ema"] else []
    assert call("sample", "first", "-n", "2", "--steps", "3", "-o", "tuned") == 0
    assert call("sample", "first", "-n", "2", "--set", "sample.steps=3", "-o", "other") == 0
    assert same(examples("tuned"), examples("other"))
    # for another number of steps the model has its own settings, to which these are added
    assert call("sample", "first", "-n", "2", "--steps", "4", "-o", "own") == 0
    assert call("sample", "first", "-n", "2", "--steps", "4", *written, "-o", "by-hand") == 0
    assert same(examples("own"), examples("by-hand")) == (not written)


@pytest.mark.heavy
def test_a_search_goes_on_where_it_was(few, capsys, monkeypatch):
    assert call(*asked("--json", "--dry")) == 0
    first = json.loads(capsys.readouterr().out)["found"]
    monkeypatch.setattr(bench.Bench, "_drawn", None)  # nothing is drawn again
    assert call(*asked("--json", "--dry")) == 0
    assert json.loads(capsys.readouterr().out)["found"] == first


class Known:
    """Measurements whose error falls with the number of samples."""

    reporter = Reporter()

    def __init__(self, truth):
        self.truth, self.drawn = truth, 0

    def measured(self, one, steps, n):
        self.drawn += n
        return self.truth[one], 1 / n


def test_halving_finds_the_best_with_a_fraction_of_the_samples():
    candidates = [Candidate((f"sampler.use={i}",)) for i in range(81)]
    truth = {one: 1 + (i * 37 % 81) for i, one in enumerate(candidates)} | {Candidate(): 50}
    known = Known(truth)
    best = halved(known, candidates, 8, 256)
    assert truth[best] == 1
    assert known.drawn < 0.35 * 82 * 256


def test_flags_that_name_the_steps_choose_what_was_found():
    tuned = {"8": {"sets": ["sampler.use=unipc"], "ema": 0.1}}
    assert tuned_for(tuned, [("--steps", "sample.steps", 8)], ()) == (("sampler.use=unipc",), 0.1)
    assert tuned_for(tuned, [], ("sample.steps=8",)) == (("sampler.use=unipc",), 0.1)
    assert tuned_for(tuned, [("--steps", "sample.steps", 9)], ()) == ((), None)
    assert tuned_for(tuned, [], ()) == ((), None)


def test_the_chosen_average_is_the_model_from_then_on(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    folder = RunFolder.open(place / "first")
    before = load_weights(folder.model_path, MODEL)[0]
    assert call("ema", "first", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["model"] in listed["kept"]
    assert listed["snapshots"] == [2, 4, 6, 8]
    assert call("ema", "first", "--width", "0.08") == 0
    after, about = load_weights(folder.model_path, MODEL)
    assert about["ema"] == "posthoc-0.08"
    for name, tensor in posthoc_average(folder, 0.08).items():
        torch.testing.assert_close(after[name], tensor.float())
    assert any(not torch.equal(after[name], before[name]) for name in before)
    assert call("ema", "first", "--keep", listed["model"]) == 0
    back = load_weights(folder.model_path, MODEL)[0]
    assert all(torch.equal(back[name], before[name]) for name in before)


def test_what_was_found_by_luck_does_not_win():
    """Samples that the search has not seen decide between the best and the model's own settings."""
    lucky, good, own = Candidate(("lucky",)), Candidate(("good",)), Candidate()
    of_new = {lucky: (5.0, 0.2), good: (2.0, 0.1), own: (3.0, 0.3)}
    asked = []

    def measured(one, steps, n, start):
        asked.append((steps, n, start))
        return of_new[one]

    found = scored(SimpleNamespace(measured=measured), lucky, 8, 64)
    assert found == Scored(own, 3.0, 0.3, 3.0, 0.3)
    found = scored(SimpleNamespace(measured=measured), good, 8, 64)
    assert found == Scored(good, 2.0, 0.1, 3.0, 0.3)
    assert set(asked) == {(8, 64, 64)}  # the search had numbers 0 to 63


@pytest.mark.parametrize("wrong", [["--keep", "power-9"], ["--width", "0.5"]])
def test_an_average_that_cannot_be_made_names_those_that_can(wrong, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert call("ema", "first", *wrong) != 0
    said = capsys.readouterr().err
    assert "halflife" in said or "between" in said


@pytest.mark.heavy
def test_autoguidance_is_found_among_the_snapshots_of_a_run_without_labels(
    few, capsys, monkeypatch
):
    monkeypatch.setattr(tune_guidance, "SCALES", (2.0,))
    monkeypatch.setattr(tune_guidance, "INTERVALS", ((0.1, 5.0),))
    asked = ["tune", "guidance", "first", str(pictures()), "--steps", "2", "-n", "32"]
    assert call(*asked, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["candidates"] == 3  # the snapshots but for the last
    assert found["distance"] <= found["own_distance"]
    written = [word for one in found["sets"] for word in ("--set", one)]
    assert call("sample", "first", "-n", "1", "--steps", "2", *written, "-o", "guided") == 0
