"""Two processes on a CPU, through the command line: the same run as one process that takes the batch in two parts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from small import prepared, small_run, train

from difftool.cli.worker import words_of, work
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.distributed import World, _free_port, _signal_of, launch
from difftool.engine.folder import RunFolder
from difftool.engine.shard import shards, state_bytes
from difftool.errors import UsageError

DIFFTOOL = [sys.executable, "-m", "difftool"]
TORCHRUN = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node=2",
    "-m",
    "--",
    "difftool",
]


def start(command: list[str], *words: str | Path) -> subprocess.Popen[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def run(command: list[str], *words: str | Path) -> tuple[int, str]:
    process = start(command, *words)
    _, errors = process.communicate(timeout=240)
    return process.returncode, errors


def words(steps: int, *sets: str) -> list[str]:
    data, usual = small_run(steps=steps, sets=list(sets))
    return ["train", "-m", "image", str(data), *(f"--set={s}" for s in usual)]


def state(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = RunFolder.open(path).latest_checkpoint()
    assert checkpoint is not None
    return load_checkpoint(checkpoint)[0]


def assert_close(one: Path, other: Path) -> None:
    a, b = state(one), state(other)
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(
            a[name], b[name], atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process, the batch in two parts: the parts draw what two processes would."""
    return train(
        tmp_path_factory.mktemp("runs") / "alone", *small_run(steps=8, sets=["train.accumulate=2"])
    )


@pytest.mark.slow
def test_two_processes_are_one_with_two_parts(alone, tmp_path):
    code, errors = run(DIFFTOOL, *words(8), "--run", tmp_path / "two", "--devices", "2")
    assert code == 0, errors
    assert_close(alone, tmp_path / "two")
    rows = RunFolder.open(tmp_path / "two").metrics()
    assert [row["step"] for row in rows] == [
        1,
        2,
        4,
        6,
        8,
    ]  # the first loss is shown early; written once, not once per process
    assert [row["loss"] for row in rows] == pytest.approx(
        [row["loss"] for row in RunFolder.open(alone).metrics()], rel=1e-4
    )


@pytest.mark.heavy
def test_sigterm_to_the_launcher_saves_and_a_run_goes_on_in_another_number_of_processes(
    alone, tmp_path
):
    """Two processes are stopped, one goes on; the end is that of a run left alone."""
    path = tmp_path / "run"
    process = start(
        DIFFTOOL, *words(4000, "train.save_every=4000"), "--run", path, "--devices", "2"
    )
    try:
        deadline = time.monotonic() + 120
        while not RunFolder(path).metrics() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75, errors
    stopped = re.search(r"Stopped at step (\d+) of 4000, and saved", errors)
    assert stopped, errors
    step = int(stopped[1])
    assert RunFolder.open(path).latest_checkpoint().stem == f"{step:08d}"

    code, errors = run(DIFFTOOL, "resume", path, "--steps", str(step + 2))
    assert code == 0, errors
    assert RunFolder.open(path).latest_checkpoint().stem == f"{step + 2:08d}"


@pytest.mark.heavy
def test_a_killed_worker_is_said_in_one_message(tmp_path):
    """Nothing is saved yet that it could go on from."""
    path = tmp_path / "run"
    line = words(4000, "train.save_every=4000")
    process = start(DIFFTOOL, *line, "--run", path, "--devices", "2")
    try:
        deadline = time.monotonic() + 120
        while not RunFolder(path).metrics() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children()
        assert len(workers) == 2
        workers[-1].kill()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert errors.count("Error:") == 1
    assert "ended from outside by SIGKILL" in errors
    assert "Traceback" not in errors


@pytest.mark.slow
def test_torchrun_joins_and_goes_on_from_one_process(alone, tmp_path):
    """One process with two parts stops at step 4; two processes without parts finish it, as if nothing had happened."""
    path = train(tmp_path / "run", *small_run(steps=8, sets=["train.accumulate=2"]), stop_at=4)
    config = RunFolder.open(path).config_path
    config.write_text(config.read_text().replace("accumulate = 2", "accumulate = 1"))
    code, errors = run(TORCHRUN, "resume", path)
    assert code == 0, errors
    assert_close(alone, path)


@pytest.mark.heavy
def test_torchrun_leaves_difftool_s_own_options_alone(tmp_path):
    """Without the ``--`` that the README gives, torchrun takes ``--run`` for an abbreviation of its own ``--run-path``."""
    small = [
        "--size",
        "16",
        "--steps",
        "2",
        "--batch",
        "4",
        "--set",
        "train.preview=0",
        "--set",
        "backbone.channels=16",
    ]
    code, errors = run(TORCHRUN, "train", "-m", "image", *small, "--run", tmp_path / "run")
    assert code == 0, errors
    assert RunFolder.open(tmp_path / "run").latest_checkpoint().stem == "00000002"


@pytest.mark.slow
def test_an_error_in_the_processes_is_the_launcher_s(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    code, errors = run(
        DIFFTOOL, "train", "-m", "image", empty, "--run", tmp_path / "run", "--devices", "2"
    )
    assert code == 3, errors
    assert "is empty" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("size", "batch", "accumulate"), [(3, 8, 1), (2, 8, 3), (4, 2, 1)])
def test_a_batch_that_does_not_divide_is_refused(size, batch, accumulate):
    with pytest.raises(UsageError, match=f"multiple of {size * accumulate}"):
        World(0, size).share(batch, accumulate)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({3, -signal.SIGTERM}, None),  # one failed in words, the other was asked to end
        ({1, -signal.SIGTERM}, None),
        ({3, -signal.SIGKILL}, None),  # asked to end, it took too long
        ({-signal.SIGKILL, -signal.SIGTERM}, signal.SIGKILL),
        ({-signal.SIGKILL, 1}, signal.SIGKILL),  # its peer found the connection closed
        ({-signal.SIGTERM}, signal.SIGTERM),
    ],
)
def test_what_ended_the_processes_is_told_from_their_exit_codes(codes, expected):
    assert _signal_of(codes) == expected


def test_several_nodes_need_a_place_to_meet():
    with pytest.raises(UsageError, match="rendezvous"):
        launch(1, [], nodes=2)


@pytest.mark.heavy
def test_after_a_kill_the_run_goes_on_from_its_last_checkpoint(alone, tmp_path):
    """And ends as if nothing had happened."""
    path = tmp_path / "run"
    process = start(DIFFTOOL, *words(8, "train.save_every=2"), "--run", path, "--devices", "2")
    try:
        deadline = time.monotonic() + 120
        while not (path / "model.safetensors").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        psutil.Process(process.pid).children()[-1].kill()
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert re.search(r"SIGKILL. The run goes on from step \d+, its last checkpoint", errors), errors
    assert_close(alone, path)


@pytest.mark.heavy
def test_sharded_processes_go_on_from_one_and_one_goes_on_from_them(alone, tmp_path):
    """One process stops at step 4, two that hold half of everything each go to step 6, and one finishes."""
    path = train(tmp_path / "run", *small_run(steps=8, sets=["train.accumulate=2"]), stop_at=4)
    config = RunFolder.open(path).config_path
    one = config.read_text()
    two = one.replace("accumulate = 2", "accumulate = 1").replace("steps = 8", "steps = 6", 1)
    two = two.replace("preview = 0", "preview = 2").replace(
        "preview_every = 0", "preview_every = 5"
    )
    config.write_text(two.replace('shard = "auto"', 'shard = "on"'))
    code, errors = run(DIFFTOOL, "resume", path, "--devices", "2")
    assert code == 0, errors
    sheets = RunFolder.open(path).samples_path.glob("*")
    assert sorted(sheet.stem for sheet in sheets) == [
        "preview-00000005",  # with a step after it: training goes on with shards
        "preview-00000006",
    ]
    assert "sharded over 2 devices" in RunFolder.open(path).log_path.read_text()
    assert RunFolder.open(path).latest_checkpoint().stem == "00000006"
    config.write_text(one)
    code, errors = run(DIFFTOOL, "resume", path)
    assert code == 0, errors
    assert_close(alone, path)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "sets",
    [["optimizer.use=muon"], ["train.accumulate=2"], ["train.checkpointing=true"]],
    ids=lambda sets: sets[0],
)
def test_shards_train_as_whole_weights_do(tmp_path, sets):
    small = [*words(4, *sets), "--devices", "2"]
    for choice in ("on", "off"):
        extra = ["--run", tmp_path / choice, "--set", f"train.shard={choice}"]
        code, errors = run(DIFFTOOL, *small, *extra)
        assert code == 0, errors
    assert_close(tmp_path / "off", tmp_path / "on")


@pytest.mark.heavy
@pytest.mark.parametrize("backbone", ["edm2"])
def test_weights_that_are_one_number_are_sharded_too(tmp_path, backbone):
    """And weights of forced length keep it. Files are those of whole weights: one process resumes."""
    sets = [f"backbone.use={backbone}", "train.save_every=2"]

    def small(steps: int) -> list[str]:
        own = [*words(steps, *sets), "--devices", "2"]
        return [word for word in own if backbone == "edm2" or not NETWORK.search(word)]

    code, errors = run(DIFFTOOL, *small(4), "--run", tmp_path / "whole")
    assert code == 0, errors
    path, halves = tmp_path / "halves", ["--set", "train.shard=on"]
    code, errors = run(DIFFTOOL, *small(2), *halves, "--run", path)
    assert code == 0, errors
    assert "sharded over 2 devices" in RunFolder.open(path).log_path.read_text()
    config = RunFolder.open(path).config_path
    halved = config.read_text()
    config.write_text(
        halved.replace('shard = "on"', 'shard = "off"').replace("accumulate = 1", "accumulate = 2")
    )
    code, errors = run(DIFFTOOL, "resume", path, "--steps", "3")
    assert code == 0, errors
    config.write_text(halved)
    code, errors = run(DIFFTOOL, "resume", path, "--steps", "4", "--devices", "2")
    assert code == 0, errors
    assert_close(tmp_path / "whole", path)


NETWORK = re.compile(r"backbone\.(multipliers|blocks|channels|dropout)")
"""Settings of a U-Net."""


@pytest.mark.parametrize(("option", "reason"), [("train.precision=fp16", "fp16")])
def test_what_cannot_be_sharded_is_refused_with_the_reason(option, reason):
    stage, _, _ = prepared(*small_run(sets=[option]))
    train, ema = stage.settings.train, stage.settings.ema
    with pytest.raises(UsageError, match=reason):
        shards(stage.objective, train.model_copy(update={"shard": "on"}), ema, 2)
    assert not shards(stage.objective, train, ema, 2)


def test_the_state_of_training_is_counted_whole():
    """As many bytes as weights, gradients, two moments, and the three averages of the run take."""
    stage, _, _ = prepared(*small_run())
    train, ema = stage.settings.train, stage.settings.ema
    weights = sum(p.nbytes for p in stage.objective.parameters())
    assert state_bytes(stage.objective, ema) == weights * 7
    assert not shards(stage.objective, train, ema, 2)  # a CPU's processes share its memory


@pytest.mark.heavy
def test_two_machines_go_on_after_a_kill_on_one(alone, tmp_path):
    """Both groups start their processes again, which resume the run together."""
    path, place = tmp_path / "run", f"127.0.0.1:{_free_port()}"
    group = ["--nodes", "2", "--rendezvous", place, "--run", path]
    line = words(8, "train.save_every=2")
    groups = [start(DIFFTOOL, *line, *group, "--node-rank", str(rank)) for rank in (0, 1)]
    try:
        deadline = time.monotonic() + 240
        while not (path / "model.safetensors").exists() and time.monotonic() < deadline:
            assert all(one.poll() is None for one in groups)
            time.sleep(0.01)
        psutil.Process(groups[1].pid).children()[-1].kill()
        for process in groups:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors
    finally:
        for process in groups:
            process.kill()
    assert_close(alone, path)


def test_a_process_that_is_started_again_resumes_or_ends_as_it_did(tmp_path, monkeypatch):
    run, line = tmp_path / "run", ["train", "--json"]
    assert words_of(tmp_path, run, line) == words_of(tmp_path, run, line) == line
    run.mkdir()
    RunFolder(run).config_path.touch()
    assert words_of(tmp_path, run, line) == ["resume", str(run), "--json"]
    monkeypatch.setenv("LOCAL_RANK", "1")  # another process of this machine, which is new
    with pytest.raises(SystemExit) as end:
        work(tmp_path, run, ["no-such-command"])
    assert (tmp_path / "code").read_text() == str(end.value.code) == "2"
    with pytest.raises(SystemExit, match="2"):
        words_of(tmp_path, run, line)


@pytest.mark.heavy
def test_two_machines_are_two_devices(alone, tmp_path):
    """Two groups of one process each, on this machine, that meet at an address."""
    place = f"127.0.0.1:{_free_port()}"
    group = ["--nodes", "2", "--rendezvous", place, "--run", tmp_path / "two"]
    groups = [start(DIFFTOOL, *words(8), *group, "--node-rank", str(rank)) for rank in (0, 1)]
    for process in groups:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    assert_close(alone, tmp_path / "two")
