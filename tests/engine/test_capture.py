"""Replayed evaluations give the samples of plain ones, on a CPU with a stand-in for CUDA graphs.

With guidance, in a later stage, by an expert and in tiles. What only a GPU shows is in benchmarks/gpu.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from small import prepared, small_run
from torch import Tensor

from difftool.engine import capture
from difftool.engine import generate as generating
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.expert import Expert
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions

REFINING = ['bridge.use="resample"', "bridge.factors=[1,2,2]", "bridge.max_aug_level=0.3"]


class StandIn:
    """Like a CUDA graph: it reads and writes the memory that it was recorded with."""

    made: ClassVar[list[StandIn]] = []

    def __init__(self, pool: Any) -> None:
        self.replayed = 0
        StandIn.made.append(self)

    def record(self, function: Callable[[], Tensor]) -> Tensor:
        self.function, self.output = function, function()
        return self.output

    def replay(self) -> None:
        self.replayed += 1
        self.output.copy_(self.function())


@pytest.fixture
def graphs(monkeypatch):
    """Evaluations are recorded, on any device."""
    StandIn.made = []

    @contextmanager
    def captured(denoiser):
        yield capture.Captured(denoiser)

    monkeypatch.setattr(generating, "captured", captured)
    monkeypatch.setattr(capture, "Graph", StandIn)
    monkeypatch.setattr(capture, "new_pool", lambda: None)
    monkeypatch.setattr(capture, "warm_up", lambda evaluate: evaluate())
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return StandIn.made


def stirred(seed: int, sets: list[str]):
    """A model that says something: a fresh one's last layer is zero."""
    stage, _, _ = prepared(*small_run(sets=sets))
    with torch.no_grad():
        for p in stage.denoiser.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(seed)))
    return stage


GUIDED = ClassifierFree(GuidanceOptions(scale=2.0, low=0.05, high=5.0))
CASES = {
    "guided": ([], {"guidance": GUIDED, "batch": 3}, [3, 6]),
    "a later stage in tiles": (
        REFINING,
        {"low": [np.full((3, 4, 6), 90, np.uint8)] * 4, "level": 0.1, "tile": (6, 6), "batch": 2},
        [2],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("expert", [False, True], ids=["alone", "with an expert"])
def test_replayed_evaluations_give_the_samples_of_plain_ones(case, expert, graphs, monkeypatch):
    sets, wishes, _ = CASES[case]
    stage = stirred(0, sets)
    if expert:
        other = stirred(1, sets)
        stage = replace(stage, experts=(Expert(0.5, other.denoiser, other.process.density),))
    request = SampleRequest(n=4, steps=6, **wishes)
    replayed = [one.example for one in generate(stage, request)]
    assert sum(graph.replayed for graph in graphs) > len(graphs) > 0
    monkeypatch.undo()
    plain = [one.example for one in generate(stage, request)]
    assert all(np.array_equal(a, b) for a, b in zip(replayed, plain, strict=True))


def test_a_graph_is_replayed_on_inputs_like_its_own_only(graphs):
    """Other sizes are recorded anew."""
    stage = stirred(0, [])
    denoiser = stage.denoiser.eval()
    wrapped = capture.Captured(denoiser)
    x, level = torch.randn(2, 3, 8, 8), torch.ones(2)
    given = {
        name: torch.from_numpy(column.batch([column.null] * 2))
        for name, column in stage.description.conditions.items()
    }
    with torch.inference_mode():
        for y in (x, x[:1], x[..., :6]):
            signals = denoiser.signals({name: t[: len(y)] for name, t in given.items()})
            for _ in range(2):
                found = wrapped(y, level[: len(y)].to(y.dtype), signals)
                assert torch.equal(found, denoiser(y, level[: len(y)].to(y.dtype), signals))
    assert len(graphs) == 3
    assert [graph.replayed for graph in graphs] == [2] * 3
