"""The room on the disk: foretold to the byte, nearly, and never used up by a run."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import SETS, call, pictures, prepared, small_run, train

from difftool.engine import disk, plan
from difftool.engine.cadence import Cadence
from difftool.engine.plan import dry_run
from difftool.errors import DifftoolError
from difftool.settings import EmaOptions, TrainOptions

SAVING = ["train.save_every=3", "train.keep=9", "ema.snapshot_every=6"]
STEPS = 12
Usage = namedtuple("Usage", "total used free")


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def quota(monkeypatch):
    """Sets how many bytes a run's folder may hold in all, as if it had a small disk of its own."""

    def chosen(folder: Path, limit: int) -> None:
        def usage(path):
            used = bytes_below(folder)
            return Usage(limit, used, limit - used)

        monkeypatch.setattr(disk.shutil, "disk_usage", usage)
        monkeypatch.setattr("difftool.engine.observers.SPARE", 0)

    return chosen


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with all the room it needs."""
    return train(tmp_path_factory.mktemp("runs") / "whole", *small_run(STEPS, SAVING))


def test_what_a_run_writes_is_foretold(whole, tmp_path):
    stage, dataset, _ = prepared(*small_run(STEPS, SAVING))
    told = dry_run(stage, dataset, tmp_path)["disk_bytes"]
    made = {name: bytes_below(whole / name) for name in ("checkpoints", "snapshots")}
    assert told["checkpoints"] == pytest.approx(made["checkpoints"], rel=0.05)
    assert told["snapshots"] == pytest.approx(made["snapshots"], rel=0.15)
    assert told["model"] == pytest.approx((whole / "model.safetensors").stat().st_size, rel=0.15)
    assert told["metrics"] == pytest.approx((whole / "metrics.jsonl").stat().st_size, rel=0.5)


@pytest.mark.parametrize(("patience", "steps"), [(1e-9, 1), (60, 4)])
def test_a_slow_network_is_measured_by_its_first_step(tmp_path, monkeypatch, patience, steps):
    stage, dataset, _ = prepared(*small_run(STEPS, SAVING))
    taken = []
    monkeypatch.setattr(plan, "PATIENCE", patience)
    monkeypatch.setattr(
        plan, "_timed", lambda *_, timed=plan._timed: taken.append(timed(*_)) or taken[-1]
    )
    told = dry_run(stage, dataset, tmp_path)["seconds_per_step"]
    assert len(taken) == steps
    assert told == pytest.approx(sum(taken[1:] or taken) / max(1, steps - 1))


def test_one_checkpoint_more_than_are_kept_is_there_while_it_is_written():
    cadence = Cadence(TrainOptions(steps=100, save_every=10, keep=2), EmaOptions())
    sizes, stage = disk.SaveSizes(1000, 10, 1), prepared(*small_run())[1]
    assert disk.forecast(sizes, cadence, stage)["checkpoints"] == 3000


def test_a_run_stops_before_its_disk_is_full_and_loses_no_step(whole, tmp_path, quota):
    data, sets = small_run(STEPS, SAVING)
    each = bytes_below(whole / "checkpoints") // 4
    run = tmp_path / "run"
    quota(run, 3 * each)
    with pytest.raises(DifftoolError, match=r"training stops at step 6\. Its state is saved\."):
        train(run, data, sets)
    assert bytes_below(run) < 3 * each
    saved = sorted(path.stem for path in (run / "checkpoints").iterdir())
    assert saved == ["00000003", "00000006"]
    quota(run, 100 * each)
    train(run, data, sets, resume=True)
    one, other = (load_file(path / "model.safetensors") for path in (whole, run))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_disk_that_fills_up_meanwhile_leaves_the_checkpoint_before(tmp_path):
    data, sets = small_run(12, ["train.save_every=3"])
    run = tmp_path / "run"

    class Filling:
        def __init__(self) -> None:
            self.asked = 0

        def __call__(self, path):
            self.asked += 1
            return Usage(0, 0, 0 if self.asked > 2 else 1 << 40)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk.shutil, "disk_usage", Filling())
        with pytest.raises(DifftoolError, match=r"step 6\. The checkpoint before it is safe\."):
            train(run, data, sets)
    assert [path.stem for path in (run / "checkpoints").iterdir()] == ["00000003"]
    assert not list(run.rglob("*.partial"))


def test_a_dry_run_says_what_is_more_than_is_free(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(0, 0, 1000))
    words = [word for one in SETS for word in ("--set", one)]
    data = str(pictures())
    assert call("train", "-m", "image", data, "--dry-run", *words, "--steps", "4") == 0
    said = capsys.readouterr().out
    assert "snapshots" not in said
    assert "of 1 kB that are free. That is more than is free" in said
    words += ["--set", "ema.snapshot_every=2"]
    assert call("train", "-m", "image", data, "--dry-run", *words, "--steps", "4") == 0
    assert "snapshots" in capsys.readouterr().out
    assert shutil.disk_usage(tmp_path).free == 1000
