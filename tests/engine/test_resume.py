"""Exact resume: whatever stops a run, the weights at its end are those of a run left alone, bit for bit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import small_run, train

from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.folder import RunFolder

pytestmark = pytest.mark.slow


def same_state(one: Path, other: Path) -> bool:
    a, b = (load_checkpoint(RunFolder.open(path).latest_checkpoint())[0] for path in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run of twelve steps that nothing disturbed; dropout, augmentation and label dropout are on."""
    return train(tmp_path_factory.mktemp("runs") / "alone", *small_run(steps=12))


@pytest.mark.parametrize("at", [1, 5, 11])
def test_stopped_and_resumed(alone, tmp_path, at):
    path = tmp_path / "run"
    train(path, *small_run(steps=12), stop_at=at)
    train(path, *small_run(steps=12), resume=True)
    assert same_state(alone, path)


def test_metrics_are_written_once_each(alone, tmp_path):
    path = tmp_path / "run"
    train(path, *small_run(steps=12), stop_at=5)
    RunFolder.open(path).add_metrics(
        {"step": 7, "loss": 9.9}
    )  # measured after the checkpoint, then killed
    train(path, *small_run(steps=12), resume=True)
    rows = RunFolder.open(path).metrics()
    assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})
    assert 9.9 not in [row["loss"] for row in rows]


def test_a_damaged_checkpoint_is_passed_over_for_the_whole_one_before_it(alone, tmp_path):
    path = train(tmp_path / "run", *small_run(steps=12), stop_at=8)
    folder = RunFolder.open(path)
    newest = folder.latest_checkpoint()
    newest.write_bytes(newest.read_bytes()[:1000])
    assert folder.damaged_checkpoints() == [newest]
    assert folder.latest_checkpoint().name == "00000004.safetensors"
    train(path, *small_run(steps=12), resume=True)
    assert folder.damaged_checkpoints() == []
    assert same_state(alone, path)


def test_another_seed_is_another_run(alone, tmp_path):
    assert not same_state(
        alone, train(tmp_path / "run", *small_run(steps=12, sets=["train.seed=1"]))
    )


def test_parts_of_a_batch_share_its_examples(tmp_path):
    """Accumulation sees the same examples in the same order, and its state resumes exactly too."""
    sets = ["train.accumulate=2"]
    whole = train(tmp_path / "a", *small_run(steps=6, sets=sets))
    train(tmp_path / "b", *small_run(steps=6, sets=sets), stop_at=3)
    train(tmp_path / "b", *small_run(steps=6, sets=sets), resume=True)
    assert same_state(whole, tmp_path / "b")


def test_muon_resumes_exactly(tmp_path):
    """Its average of gradients is part of the state."""
    sets = ["optimizer.use=muon", "optimizer.weight_decay=0.1"]
    whole = train(tmp_path / "a", *small_run(steps=6, sets=sets))
    train(tmp_path / "b", *small_run(steps=6, sets=sets), stop_at=3)
    train(tmp_path / "b", *small_run(steps=6, sets=sets), resume=True)
    assert same_state(whole, tmp_path / "b")


def test_killed_at_random_moments(tmp_path):
    """kill -9 of the real command, twice, each a random moment after it was seen to train; then on to the end."""
    data, sets = small_run(steps=100)
    words = [f"--set={s}" for s in sets]
    difftool = [sys.executable, "-m", "difftool"]
    run, rng = tmp_path / "killed", random.Random(0)
    for line in (
        ["train", "-m", "image", str(data), *words, "--run", str(run)],
        ["resume", str(run)],
    ):
        process = subprocess.Popen(
            [*difftool, *line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_steps(run, process)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it had ended before it was killed"
    train(run, data, sets, resume=True)
    assert same_state(train(tmp_path / "alone", data, sets), run)


def wait_for_steps(run: Path, process: subprocess.Popen) -> None:
    """Until the process has written metrics."""
    log, before = run / "metrics.jsonl", time.time()
    while (
        process.poll() is None
        and time.time() < before + 60
        and not (log.exists() and log.stat().st_mtime > before + 1)
    ):
        time.sleep(0.01)
