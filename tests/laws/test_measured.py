"""What a representation measured on the data: found once, the same to the bit for ever after, and in the model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from small import prepared, registry, small_run, train

from difftool import Batch, Description, assemble
from difftool.assemble import load_stage, open_dataset
from difftool.config import gather, resolve
from difftool_image.pixels import Pixels

SCALE, SEEN = 0.1 + 0.2, []


class Measuring(Pixels):
    """Bytes, scaled by what was measured: a number that has no short decimal form."""

    def __init__(self, options: None, description: Description) -> None:
        super().__init__(options, description)
        self.scale = description.measured.get("scale", 1.0)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        batches = list(raw)
        SEEN.append(sum(len(batch) for batch in batches))
        assert all(batch.x.dtype == torch.uint8 and "class" in batch.cond for batch in batches)
        return {"scale": SCALE}

    def encode(self, raw: Batch) -> Batch:
        return super().encode(raw).with_x(super().encode(raw).x * self.scale)

    def decode(self, batch: Batch) -> Batch:
        return super().decode(batch.with_x(batch.x / self.scale))


@pytest.fixture
def measuring(monkeypatch):
    parts = registry()
    real = type(parts).load
    monkeypatch.setattr(
        type(parts),
        "load",
        lambda self, spec: Measuring if spec.name == "pixels" else real(self, spec),
    )
    SEEN.clear()


def test_measured_once_and_kept_in_the_model(measuring, tmp_path):
    data, sets = small_run(3, ["train.batch=4"])
    folder = train(tmp_path / "run", data, sets)
    prepared(data, sets)
    assert len(SEEN) == 1
    assert SEEN[0] >= 256
    assert load_stage(folder / "model.safetensors", registry()).representation.scale == SCALE


def test_a_resumed_run_keeps_its_own(measuring):
    data, sets = small_run()
    config = resolve(
        "image",
        gather(registry(), "image", sets=[f'data.path="{data}"', *sets], project=None),
        registry(),
    )
    _, dataset = open_dataset(config, registry(), measured={"scale": 7.0})
    assert dataset.description.measured == {"scale": 7.0}
    assert not SEEN
    assert Description.from_json(replace(dataset.description).to_json()).measured == {"scale": 7.0}


def test_of_large_examples_fewer_are_measured_and_fewer_at_once(measuring, monkeypatch):
    data, sets = small_run()
    config = resolve(
        "image",
        gather(registry(), "image", sets=[f'data.path="{data}"', *sets], project=None),
        registry(),
    )
    _, dataset = open_dataset(config, registry(), measured={})
    entries = math.prod(dataset.description.shape)
    monkeypatch.setattr(assemble.measure, "ENTRIES", 64 * entries)
    assert [len(batch) for batch in assemble.measure._some_batches(dataset)] == [4] * 16
    monkeypatch.setattr(assemble.measure, "ENTRIES", entries // 2)
    assert [len(batch) for batch in assemble.measure._some_batches(dataset)] == [1]
