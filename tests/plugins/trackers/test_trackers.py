"""Trackers get what a run says, go on where it goes on, and never end it.

Against the real libraries: ``difftool_trackers.contracts``, and what each has stored of a run.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from small import SETS, call, pictures

from difftool import Description, Progress, Result, RunInfo
from difftool_trackers.contracts import *  # noqa: F403
from difftool_trackers.options import TrackerOptions
from difftool_trackers.tracker import Tracker, flat, identifiers

WORDS = [word for setting in SETS for word in ("--set", setting)]
WORDS += [
    "--set",
    "data.holdout=0.2",
    "--set",
    "train.evaluate_every=4",
    "--set",
    "train.preview=2",
]


class Recorder(Tracker):
    """A tracker that remembers what it is given."""

    use = "recorder"
    opened: list[tuple[str, str]] = []  # noqa: RUF012

    def open(self, run, name, identifier):
        self.opened.append((name, identifier))
        self.got, self.files, self.texts, self.ended = {}, [], {}, []
        return identifier or "new"

    def numbers(self, step, values):
        self.got[step] = dict(values)

    def file(self, step, name, path):
        self.files.append((step, path.name))

    def text(self, name, text):
        self.texts[name] = text

    def close(self, finished):
        self.ended.append(finished)


def begun(path: Path, first: int = 0) -> tuple[Recorder, RunInfo]:
    path.mkdir(exist_ok=True)
    run = RunInfo(path, {"train": {"steps": 4}}, Description((1,), "float32", 8), first, 4)
    tracker = Recorder(TrackerOptions())
    tracker.begin(run)
    return tracker, run


def event(step: int, **changed) -> Progress:
    return Progress(step, 4, 0.5, 10.0, 0.0, 1000, 1e-3, mean_loss=0.5, seen=2 * step, **changed)


def test_losses_levels_previews_and_the_end_are_passed_on(tmp_path):
    tracker, run = begun(tmp_path / "a")
    row = {"step": 2, "held": {"live": [1.0, 3.0]}, "trained": {"live": [1.0, 1.0]}}
    (run.path / "levels.jsonl").write_text(json.dumps(row) + "\n")
    tracker.step(event(2, losses={"one": 0.25, "two": float("nan")}))
    (run.path / "preview.png").write_bytes(b"")
    tracker.sampled(event(2, preview=run.path / "preview.png"))
    tracker.end(Result(event(4)))
    got = tracker.got[2]
    assert (got["loss"], got["loss/one"]) == (0.5, 0.25)
    assert (got["held loss/live"], got["trained loss/live"]) == (2.0, 1.0)
    assert "loss/two" not in got, "NaN is not a number that trackers store"
    assert tracker.files == [(2, "preview.png")]
    assert tracker.ended == [True]


def test_a_run_that_is_resumed_goes_on_in_the_same_tracker_run(tmp_path):
    Recorder.opened.clear()
    begun(tmp_path / "a")
    assert identifiers(tmp_path / "a") == {"recorder": "new"}
    begun(tmp_path / "a", first=2)
    assert Recorder.opened == [("a", ""), ("a", "new")]


def test_a_failure_is_in_the_verdict_and_a_damaged_note_is_no_fault(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "trackers.json").write_text("[")
    tracker, _ = begun(tmp_path / "a")
    tracker.end(Result(event(2), RuntimeError("no memory")))
    assert tracker.texts["verdict"].startswith("error: RuntimeError: no memory")
    assert tracker.ended == [False]


def test_what_could_not_be_opened_stays_quiet(tmp_path):
    tracker = Recorder(TrackerOptions())
    tracker.step(event(1))
    tracker.sampled(event(1, preview=tmp_path / "x.png"))
    tracker.end(Result(event(1)))


def test_settings_are_flat():
    assert dict(flat({"a": {"b": 1, "c": {"d": [2]}}, "e": 3})) == {"a.b": 1, "a.c.d": [2], "e": 3}


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_holds_a_run_and_its_continuation(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    use = ["--set", "observers.a.use=tensorboard"]
    train = ["train", "-m", "image", str(pictures()), *WORDS, "--run", "runs/a", *use]
    assert call(*train, "--steps", "4") == 0
    assert call("resume", "runs/a", "--steps", "8") == 0
    found = EventAccumulator("runs/a/tensorboard")
    found.Reload()
    assert [one.step for one in found.Scalars("loss")] == [1, 2, 4, 6, 8]
    assert [one.step for one in found.Scalars("held loss/live")] == [4, 8]
    assert "preview" in found.Tags()["images"]


@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_holds_a_run_and_its_continuation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use = ["--set", "observers.a.use=mlflow"]
    train = ["train", "-m", "image", str(pictures()), *WORDS, "--run", "runs/a", *use]
    assert call(*train, "--steps", "4") == 0
    assert call("resume", "runs/a", "--steps", "8") == 0
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "runs/mlruns").as_uri())
    identifier = identifiers(Path("runs/a"))["mlflow"]
    assert [one.step for one in client.get_metric_history(identifier, "loss")] == [1, 2, 4, 6, 8]
    assert client.get_run(identifier).info.status == "FINISHED"
    assert client.get_run(identifier).data.params["train.batch"] == "8"


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_keeps_a_run_offline_and_goes_on_with_its_identifier(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    use = ["--set", "observers.a.use=wandb", "--set", "observers.a.mode=offline"]
    train = ["train", "-m", "image", str(pictures()), *WORDS, "--run", "runs/a", *use]
    assert call(*train, "--steps", "4") == 0
    assert call("resume", "runs/a", "--steps", "8") == 0
    kept = sorted(path.name for path in Path("runs/a/wandb").glob("offline-run-*"))
    identifier = identifiers(Path("runs/a"))["wandb"]
    assert len(kept) == 2
    assert all(name.endswith(identifier) for name in kept)
