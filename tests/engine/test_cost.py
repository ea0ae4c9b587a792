"""What a training step takes is told before it is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small import call, prepared, small_run

import difftool.engine.cost as cost_of
from difftool.engine.cost import Cost, require_memory, step_cost
from difftool.errors import DeviceError
from difftool.workflows import announce

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def built():
    stage, dataset, _ = prepared(*small_run())
    return stage, dataset


def _kept(stage, dataset, monkeypatch, light):
    monkeypatch.setattr(cost_of, "LIGHT", light)
    return step_cost(stage, dataset)


def test_what_is_imagined_is_what_is_computed(built, monkeypatch):
    """Both count the same tensors: one of real examples, the other of shapes alone."""
    stage, dataset = built
    real, imagined = (_kept(stage, dataset, monkeypatch, light) for light in (1e30, 0))
    assert real is not None
    assert imagined is not None
    assert imagined.memory == pytest.approx(real.memory, rel=0.02)
    assert imagined.per_example == pytest.approx(real.per_example, rel=0.1)


def test_memory_grows_with_the_part_that_is_computed_at_once(built):
    stage, dataset = built

    def told(**changes):
        train = stage.settings.train.model_copy(update=changes)
        return step_cost(replace(stage, settings=replace(stage.settings, train=train)), dataset)

    whole, halves, double = told(), told(accumulate=2), told(batch=16)
    assert (whole.part, halves.part, double.part) == (8, 4, 16)
    assert halves.per_example == pytest.approx(whole.per_example, rel=0.01)
    assert halves.queued == whole.queued == double.queued // 2


def test_neither_a_weight_nor_a_random_number_changes(built):
    stage, dataset = built
    weights = {name: t.clone() for name, t in stage.network.state_dict().items()}
    before = torch.get_rng_state()
    step_cost(stage, dataset)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(t, weights[name]) for name, t in stage.network.state_dict().items())
    assert all(p.grad is None for p in stage.network.parameters())


def test_what_does_not_fit_names_its_parts_and_the_knobs(built):
    stage, _ = built
    with pytest.raises(DeviceError, match=r"about 1e\+03 GB|TB") as raised:
        require_memory(Cost(10**9, 10**12, 8, 10**6, 1.0), stage, CPU)
    assert raised.value.exit_code == 5
    assert "smaller examples in [modality]" in str(raised.value)
    assert "accumulate" not in str(raised.value)  # one example alone is too large
    with pytest.raises(DeviceError, match=r"train\.accumulate=2 .*--batch 4"):
        require_memory(Cost(10**9, 10**9, 10**6, 10**6, 1.0), stage, CPU)
    require_memory(Cost(10**6, 10**6, 8, 10**6, 1e9), stage, CPU)


def test_an_objective_that_needs_numbers_is_not_told(built, monkeypatch):
    stage, dataset = built
    monkeypatch.setattr(cost_of, "LIGHT", 0)
    loss = stage.objective.loss

    def reading(batch, rng, moment, player):
        float(batch.x.sum())
        return loss(batch, rng, moment, player)

    monkeypatch.setattr(stage.objective, "loss", reading)
    assert step_cost(stage, dataset) is None


def test_the_command_stops_before_a_run_is_made(tmp_path, monkeypatch, capsys):
    data, sets = small_run()
    line = ["train", str(data), "-m", "image", *(f"--set={word}" for word in sets), "--run"]
    monkeypatch.setattr(cost_of, "memory_total", lambda device: 1 << 20)
    assert call(*line, str(tmp_path / "run")) == 5
    assert "A training step would take about" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_foretells_a_long_step_and_the_memory(tmp_path, monkeypatch, capsys):
    data, sets = small_run()
    line = ["train", str(data), "-m", "image", *(f"--set={word}" for word in sets), "--dry-run"]
    monkeypatch.setattr(announce, "SLOW", 0.0)
    assert call(*line) == 0
    out, err = capsys.readouterr()
    assert "One step takes about 0s on this machine; 8 steps take about" in err
    assert "at the peak of a step" in out
