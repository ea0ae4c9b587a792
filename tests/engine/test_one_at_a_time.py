"""One process per run folder, and what a kill between two files of one save leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import prepared, small_run, train

from difftool.cli import main
from difftool.engine import weights
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder, checkpoints
from difftool.engine.weights import MODEL, load_weights
from difftool.errors import RunBusyError, RunExistsError, UsageError

HOLDER = """
import sys, time
from pathlib import Path
from difftool.engine.folder import RunFolder
with RunFolder.open(Path(sys.argv[1])).held():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path):
    return train(tmp_path / "run", *small_run(steps=8), stop_at=4)


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(list(args))
    return leaving.value.code


def test_a_run_that_another_process_trains_is_refused_and_untouched_until_that_one_is_gone(
    run, capsys
):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(run)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    assert call("resume", str(run), "--steps", "20") == 2
    assert "being trained by another process" in capsys.readouterr().err
    with pytest.raises(RunBusyError):
        train(run, *small_run(steps=8), resume=True)
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    train(run, *small_run(steps=8), resume=True)
    assert RunFolder.open(run).latest_checkpoint().stem == "00000008"


def test_a_loop_that_is_left_gives_the_run_back(run):
    stage, dataset, _ = prepared(*small_run(steps=8))
    loop = fit(stage, dataset, RunFolder.open(run), resume=True)
    next(loop)
    with pytest.raises(RunBusyError):
        next(fit(stage, dataset, RunFolder.open(run), resume=True))
    loop.close()
    train(run, *small_run(steps=8), resume=True)


def test_of_two_that_begin_a_run_in_one_folder_one_gets_it(tmp_path, monkeypatch):
    _, dataset, toml = prepared(*small_run())
    RunFolder.create(tmp_path / "run", toml, dataset.description, "here")
    monkeypatch.setattr(
        Path, "iterdir", lambda self: iter(())
    )  # as the second one saw it before the first one wrote
    with pytest.raises(RunExistsError):
        RunFolder.create(tmp_path / "run", toml, dataset.description, "there")


def test_a_kill_between_the_files_of_the_last_save_leaves_no_stale_model(tmp_path, monkeypatch):
    """Whichever file the disk refuses, the resumed run has them all again."""
    sets = ["ema.snapshot_every=4", "train.keep=9"]
    alone = train(tmp_path / "alone", *small_run(steps=8, sets=sets))
    real = weights.save_file
    for number, refused in enumerate(("model", "snapshots", "checkpoints")):

        def failing(tensors, path, metadata, refused=refused):
            if refused in str(path) and '"step": 8' in metadata["about"]:
                raise RuntimeError("killed here")
            real(tensors, path, metadata=metadata)

        monkeypatch.setattr(weights, "save_file", failing)
        run = tmp_path / str(number)
        with pytest.raises(RuntimeError, match="killed here"):
            train(run, *small_run(steps=8, sets=sets))
        monkeypatch.setattr(weights, "save_file", real)
        train(run, *small_run(steps=8, sets=sets), resume=True)
        assert [p.stem for p in RunFolder.open(run).snapshots()] == ["00000004", "00000008"]
        model, about = load_weights(run / "model.safetensors", MODEL)
        assert about["step"] == 8
        whole, _ = load_weights(alone / "model.safetensors", MODEL)
        assert all(torch.equal(model[name], whole[name]) for name in whole)


def test_resuming_leaves_alone_what_is_being_sampled_meanwhile(run):
    (run / "samples" / "0001").mkdir(parents=True, exist_ok=True)
    sampled, stale = (
        run / "samples" / "0001" / ".000001.png.ab.partial",
        run / "checkpoints" / ".00000006.safetensors.ab.partial",
    )
    for path in (sampled, stale):
        path.write_bytes(b"half")
    RunFolder.open(run).sweep()
    assert (sampled.exists(), stale.exists()) == (True, False)


def test_checkpoints_are_ordered_by_number(tmp_path):
    for step in (100_000_000, 99_999_999):
        (tmp_path / f"{step:08d}.safetensors").touch()
    assert checkpoints(tmp_path)[-1].stem == "100000000"


def test_preview_steps_that_the_schedule_does_not_have_are_reported_before_training(tmp_path):
    sets = ['process.use="eps"', "schedule.levels=50", "sample.steps=60", "train.preview=4"]
    with pytest.raises(UsageError, match="at most 50"):
        train(tmp_path / "run", *small_run(steps=4, sets=sets))
    assert RunFolder.open(tmp_path / "run").latest_checkpoint() is None


@pytest.mark.parametrize(
    "set_",
    [
        "train.accumulate=4",
        "train.checkpointing=true",
        'train.precision="bf16"',
        'train.precision="fp16"',
    ],
)
def test_resume_is_exact_with(tmp_path, set_):
    sets = [set_, "ema.halflife=[10,1000]", "ema.snapshot_every=3", 'optimizer.decay="cosine"']
    a = train(tmp_path / "a", *small_run(steps=7, sets=sets))
    train(tmp_path / "b", *small_run(steps=7, sets=sets), stop_at=3)
    b = train(tmp_path / "b", *small_run(steps=7, sets=sets), resume=True)
    one, other = (load_checkpoint(RunFolder.open(path).latest_checkpoint())[0] for path in (a, b))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_data_given_by_a_relative_path_is_found_by_resume_from_anywhere(
    tmp_path, monkeypatch, capsys
):
    data, sets = small_run(steps=4)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "files").symlink_to(data)
    monkeypatch.chdir(tmp_path / "here")
    words = [word for one in sets for word in ("--set", one)]
    assert call("train", "-m", "image", "--set", "data.path=files", *words, "--run", "run") == 0
    monkeypatch.chdir(tmp_path)
    assert call("resume", "here/run", "--steps", "6") == 0, capsys.readouterr().err


def test_content_that_changed_is_reported(tmp_path, capsys):
    data, sets = small_run(steps=4)
    shutil.copytree(data, tmp_path / "files")
    words = [word for one in sets for word in ("--set", one)]
    assert (
        call(
            "train", "-m", "image", str(tmp_path / "files"), *words, "--run", str(tmp_path / "run")
        )
        == 0
    )
    assert call("resume", str(tmp_path / "run"), "--steps", "6") == 0
    assert "content of the examples has changed" not in capsys.readouterr().err
    one, other = sorted((tmp_path / "files" / "above").iterdir())[:2]
    shutil.copy(one, other)
    os.utime(other, (time.time() + 5, time.time() + 5))
    assert call("resume", str(tmp_path / "run"), "--steps", "8") == 0
    assert "content of the examples has changed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["log.txt", "metrics.jsonl", "checkpoints"])
def test_nothing_is_written_where_a_link_in_a_run_leads(run, tmp_path, name):
    victim = tmp_path / "victim"
    if name == "checkpoints":
        shutil.copytree(run / name, victim)
    else:
        victim.write_text("mine\n")
    before = (
        sorted(path.name for path in victim.iterdir()) if victim.is_dir() else victim.read_text()
    )
    shutil.rmtree(run / name) if name == "checkpoints" else (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    assert call("resume", str(run), "--steps", "20") == 2
    assert before == (
        sorted(path.name for path in victim.iterdir()) if victim.is_dir() else victim.read_text()
    )


def test_a_log_holds_no_control_characters(run):
    RunFolder.open(run).log("a\x1b[31mb\nsecond")
    assert RunFolder.open(run).log_path.read_text().endswith("a\\x1b[31mb\nsecond\n")
