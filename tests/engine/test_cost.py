"""What a training step takes is told before it is taken."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import call, prepared, small_run, train

import difftool.engine.cost as cost_of
from difftool.data.order import Order
from difftool.engine.cost import Cost, require_memory, step_cost
from difftool.engine.flops import flops_of
from difftool.engine.generate import generate
from difftool.engine.live import Live
from difftool.engine.sample_request import SampleRequest
from difftool.engine.sampling_cost import sampling_cost
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


def test_what_is_imagined_is_what_is_computed(monkeypatch):
    """Both count the same tensors: one of real examples, the other of shapes alone."""
    monkeypatch.setattr("difftool.engine.live.highest_memory", lambda: nullcontext([0]))
    large = ["backbone.channels=32", "backbone.multipliers=[1,2,4]"]  # its weights count as well
    stage, dataset, _ = prepared(*small_run(sets=large))
    real, imagined = (_kept(stage, dataset, monkeypatch, light) for light in (1e30, 0))
    assert real is not None
    assert imagined is not None
    expected = real.memory - real.state
    assert imagined.memory - imagined.state == pytest.approx(expected, rel=0.05)


def test_the_arithmetic_is_that_of_the_formulas():
    """A product of matrices, its two gradients, and attention by any kernel."""
    a, b = torch.randn(2, 8, 4, requires_grad=True), torch.randn(4, 16, requires_grad=True)
    assert flops_of(lambda: (a @ b).sum().backward()) == 3 * 2 * 2 * 8 * 4 * 16
    q = torch.randn(1, 2, 8, 4)
    assert flops_of(lambda: F.scaled_dot_product_attention(q, q, q)) == 2 * 2 * 2 * 8 * 8 * 4


@pytest.mark.parametrize("backbone", ["unet", "edm2"])
def test_the_arithmetic_counted_from_shapes_is_that_of_the_step(backbone):
    """Also where a layer takes its gain, a weight, as an input."""
    stage, dataset, _ = prepared(*small_run(sets=[f"backbone.use={backbone}"]))
    batch = cost_of._some(stage, dataset, np.arange(8), 4)
    real = flops_of(lambda: cost_of._passes(stage.objective, batch))
    assert cost_of.batch_flops(stage.objective, batch) == real / 4 > 0


def test_what_is_alive_is_counted_until_it_is_freed():
    with Live() as live:
        a = torch.ones(1000)
        b = a.view(10, 100)  # the same memory
        c = b + 1
        del a, b
        c = c * 2
    assert live.now == c.nbytes == 4000
    assert live.peak == 8000


def test_the_largest_batch_is_told_where_examples_differ_in_size():
    sizes = np.array([[3], [9], [1], [1], [8], [2]])
    order = Order(6, 0)
    cache = SimpleNamespace(shapes=sizes)
    found = cost_of._largest(SimpleNamespace(order=lambda *_: order, cache=cache), 0, 2)
    totals = sizes[order.indices(0, 6).reshape(3, 2)].sum((1, 2))
    assert sizes[found].sum() == totals.max()
    assert sizes[found[0]] >= sizes[found[1]]


def test_memory_grows_with_the_part_that_is_computed_at_once(built):
    stage, dataset = built

    def told(**changes):
        train = stage.settings.train.model_copy(update=changes)
        return step_cost(replace(stage, settings=replace(stage.settings, train=train)), dataset)

    whole, halves, double = told(), told(accumulate=2), told(batch=16)
    assert (whole.part, halves.part, double.part) == (8, 4, 16)
    grown = [
        one.memory - one.fixed for one in (halves, whole, double)
    ]  # the rest varies in a process
    assert grown == sorted(set(grown))
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
        require_memory(Cost(0, 10**9, 10**12, 8, 10**6, 1.0), stage, CPU)
    assert raised.value.exit_code == 5
    assert "smaller examples in [modality]" in str(raised.value)
    assert "accumulate" not in str(raised.value)  # one example alone is too large
    with pytest.raises(DeviceError, match=r"train\.accumulate=2 .*--batch 4"):
        require_memory(Cost(0, 10**9, 10**9, 10**6, 10**6, 1.0), stage, CPU)
    require_memory(Cost(0, 10**6, 10**6, 8, 10**6, 1e9), stage, CPU)


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
    assert re.search(r"One step takes about \ds on this machine; 8 steps take about", err)
    assert "at the peak of a step" in out


def test_sampling_is_told_by_a_few_samples(built):
    stage, _ = built
    request = SampleRequest(64, steps=32, guidance=stage.guidance, cond={"class": ["left"]})
    cost = sampling_cost(stage, request)
    one = flops_of(lambda: list(generate(stage, replace(request, n=1, steps=4))))
    assert cost.flops == pytest.approx(8 * one, rel=0.01)
    assert cost.batch == 64
    smaller = sampling_cost(stage, replace(request, batch=16))
    assert smaller.extra < cost.extra
    assert cost.per_sample >= 3 * 8 * 8 * 4  # at least the sample itself


def test_the_command_tells_what_sampling_takes_and_leaves_nothing_behind(tmp_path, capsys):
    run = train(tmp_path / "run", *small_run(2), stop_at=1)
    before = sorted(run.rglob("*"))
    assert call("sample", str(run), "-n", "6", "--dry-run", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["samples"], row["batch"], row["steps"]) == (6, 6, 4)
    assert 0 < row["memory_needed_bytes"] < row["memory_total_bytes"]
    assert row["flops_per_sample"] > 0
    assert sorted(run.rglob("*")) == before
    assert call("sample", str(run), "-n", "6", "--dry-run") == 0
    assert "6 at once, 4 steps each" in capsys.readouterr().out
