"""Recorded steps take the turns of plain steps, on a CPU with a stand-in for CUDA graphs.

What only a GPU shows is in benchmarks/gpu.py. Started as a program in several processes, this file
trains a run with recorded steps.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from small import prepared, small_run, train
from toys import train_toy

from difftool.engine import replay
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.distributed import join, leave
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.engine.step import TrainStep

STEPS: list[TrainStep] = []


class StandIn:
    """Like a CUDA graph: recording changes no number, and a replay writes what was returned then."""

    made = 0

    def __init__(self, pool: Any, generators: tuple = ()) -> None:
        StandIn.made += 1

    def record(self, function: Callable[[], Any]) -> Any:
        parameters = [p for player in STEPS[-1].players for p in player.parameters]
        tensors = [p.detach() for p in parameters] + list(_state(STEPS[-1]))
        before = [t.clone() for t in tensors]
        self.assigned = [p for p in parameters if p.grad is None]
        self.function, self.output = function, function()
        self.gradients = [(p, p.grad) for p in parameters if p.grad is not None]
        for tensor, value in zip(tensors, before, strict=True):
            tensor.copy_(value)
        return self.output

    def replay(self) -> None:
        if self.gradients:  # a graph that was recorded without gradients writes them anew
            for p in self.assigned:
                p.grad = None
        given = [p.grad for p, _ in self.gradients]
        result = self.function()
        if self.output is not None and result is not self.output:
            self.output.copy_(result)
        for (p, recorded), earlier in zip(self.gradients, given, strict=True):
            if p.grad is not None and p.grad is not earlier:
                recorded.copy_(p.grad)
                p.grad = recorded


def _state(step: TrainStep):
    for player in step.players:
        for values in player.optimizer.state.values():
            yield from (value for value in values.values() if isinstance(value, torch.Tensor))
    for averages in step.ema.averages.values():
        yield from averages


def replaying(step: TrainStep) -> replay.Replay:
    STEPS.append(step)
    return replay.Replay(step.rng)


@pytest.fixture
def graphs(monkeypatch):
    """Steps are recorded with the stand-in, on any device."""
    StandIn.made = 0
    STEPS.clear()
    stand_in(monkeypatch)
    return StandIn


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difftool.engine.step.replay_of", replaying)
    monkeypatch.setattr("difftool.engine.step.may_record", lambda *_: True)
    monkeypatch.setattr(replay, "Graph", StandIn)
    monkeypatch.setattr(replay, "new_pool", lambda: None)
    monkeypatch.setattr(replay, "noting_waits", lambda work: (work(), ""))


def state(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = RunFolder(path).latest_checkpoint()
    assert checkpoint is not None
    return load_checkpoint(checkpoint)[0]


def same(one: Path, other: Path) -> bool:
    a, b = state(one), state(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("sets", [[], ["train.accumulate=2"], ['optimizer.use="muon"']])
def test_recorded_steps_give_the_bits_of_plain_ones(sets, tmp_path, graphs, monkeypatch):
    recorded = train(tmp_path / "recorded", *small_run(6, sets))
    assert graphs.made == 4, "three graphs of the step, and one of the averages"
    assert not STEPS[-1].replay.stopped
    monkeypatch.undo()
    assert same(recorded, train(tmp_path / "plain", *small_run(6, sets)))


def test_a_run_goes_on_without_graphs_and_ends_as_if_it_had_never_had_them(
    tmp_path, graphs, monkeypatch
):
    run = train(tmp_path / "run", *small_run(8), stop_at=5)
    assert graphs.made
    monkeypatch.undo()
    train(run, *small_run(8), resume=True)
    assert same(run, train(tmp_path / "plain", *small_run(8)))


def test_each_shape_of_batch_has_graphs_of_its_own(tmp_path, graphs, monkeypatch):
    """Pictures of two aspect ratios, whose batches take turns."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for i in range(20):
        size = (12, 20, 3) if i % 2 else (20, 12, 3)
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(folder / f"{i}.png")
    _, sets = small_run(12, ["modality.side=8", 'modality.channels="rgb"'])
    sets = [one for one in sets if not one.startswith("modality.size")] + ['modality.size="native"']
    recorded = train(tmp_path / "recorded", folder, sets)
    assert graphs.made == 2 * 3 + 1
    assert not STEPS[-1].replay.stopped
    monkeypatch.undo()
    assert same(recorded, train(tmp_path / "plain", folder, sets))


@pytest.mark.heavy
def test_processes_that_record_are_one_with_two_parts(tmp_path):
    """Gradients are exchanged between the graphs."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    path = tmp_path / "two"
    done = subprocess.run([*command, __file__, path], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    alone = train(tmp_path / "alone", *small_run(6, ["train.accumulate=2"]))
    a, b = state(alone), state(path)
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-5, rtol=1e-4)


def train_recorded_in_processes(path: Path) -> None:
    """One of several processes of a run."""
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch)
        world = join()
        stage, dataset, toml = prepared(*small_run(6))
        folder = RunFolder(path)
        if world.leads:
            folder = RunFolder.create(path, toml, dataset.description, dataset.source)
        world.barrier()
        for _ in fit(stage, dataset, folder, world=world):
            pass
        assert STEPS[-1].players[0].exchanges
        assert StandIn.made
        leave()


def test_two_players_are_recorded_each_for_itself(tmp_path, graphs, monkeypatch):
    recorded = train_toy("adversarial", tmp_path / "recorded", "", 9)
    assert graphs.made > 4
    assert not STEPS[-1].replay.stopped
    monkeypatch.undo()
    assert same(recorded, train_toy("adversarial", tmp_path / "plain", "", 9))


def test_a_recording_with_other_gradients_is_not_used(tmp_path, graphs, monkeypatch):
    monkeypatch.setattr(replay, "_relative_difference", lambda values, expected: 0.5)
    with pytest.warns(UserWarning, match=r"gradients differ by 50\.0% from those of the plain"):
        refused = train(tmp_path / "refused", *small_run(steps=5))
    assert STEPS[-1].replay.stopped
    monkeypatch.undo()
    assert same(refused, train(tmp_path / "plain", *small_run(steps=5)))


def test_a_step_that_cannot_be_recorded_goes_on_as_it_is(tmp_path, graphs, monkeypatch):
    def fails(self: StandIn, function: Callable[[], Any]) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(StandIn, "record", fails)
    with pytest.warns(UserWarning, match="not recorded as a CUDA graph.*not permitted"):
        plain = train(tmp_path / "refused", *small_run(steps=5))
    monkeypatch.undo()
    assert same(plain, train(tmp_path / "plain", *small_run(steps=5)))


def test_a_loss_that_reads_the_step_is_not_recorded(tmp_path, graphs, monkeypatch):
    """A graph would hold the number of the step that it was recorded in."""
    real = TrainStep.gradients

    def reading(self, player, moment, raw, last):
        return real(self, player, moment, raw, last) + 0 * moment.step

    monkeypatch.setattr(TrainStep, "gradients", reading)
    with pytest.warns(UserWarning, match="reads the number of the step"):
        train(tmp_path / "run", *small_run(steps=4))
    assert graphs.made == 0


def test_on_a_cpu_one_line_says_why_nothing_is_recorded(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(tmp_path / "auto", *small_run(steps=1))
    with pytest.warns(UserWarning, match="the device is cpu, which has no CUDA graphs"):
        train(tmp_path / "on", *small_run(1, ['train.capture="on"']))


def test_the_least_recently_used_shape_goes(monkeypatch, graphs):
    monkeypatch.setattr(replay, "MOST", 2)
    kept = replay.Replay(None)
    for key in ("a", "b", "a", "c"):
        kept._keep((key,), None)
    assert [key for (key,) in kept._turns] == ["a", "c"]


if __name__ == "__main__":
    train_recorded_in_processes(Path(sys.argv[1]))
