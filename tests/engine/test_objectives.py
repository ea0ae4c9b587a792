"""Objectives beyond denoising keep every promise: the contract, exact resume, compilation, several processes, the model file."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partialmethod
from pathlib import Path

import pytest
import torch
from small import registry, small_run, train
from torch import nn
from toys import TOYS, Adversarial, Consistent, Teacher, Weighted, train_toy

from difftool.assemble import load_stage
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.folder import RunFolder
from difftool.testing import objective_contract

TestWeighted = objective_contract(Weighted)
TestConsistent = objective_contract(Consistent, {"options": Teacher(teacher="any")})
TestAdversarial = objective_contract(Adversarial)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> str:
    return str(train(tmp_path_factory.mktemp("runs") / "teacher", *small_run(steps=2)))


def state(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = RunFolder(path).latest_checkpoint()
    assert checkpoint is not None
    return load_checkpoint(checkpoint)[0]


def same(one: Path, other: Path) -> bool:
    a, b = state(one), state(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", TOYS)
def test_it_resumes_to_the_bit_and_its_model_file_samples_without_it(kind, tmp_path, teacher):
    alone = train_toy(kind, tmp_path / "alone", teacher, 6)
    train_toy(kind, tmp_path / "run", teacher, 6, stop_at=3)
    assert same(alone, train_toy(kind, tmp_path / "run", teacher, 6, resume=True))
    own = {name for name in state(alone) if name.startswith("model.objective.")}
    assert own, "what is the objective's own is in the checkpoint"
    assert not any("teacher" in name for name in own), "a teacher is not saved again"
    loaded = load_stage(
        alone / "model.safetensors", registry(), device="cpu"
    )  # refuses tensors that are not the denoiser's
    assert loaded.objective is None
    rows = RunFolder(alone).metrics()
    assert any("losses" in row for row in rows) == (kind == "adversarial")


@pytest.mark.parametrize("kind", TOYS)
def test_compiled_as_one_graph_it_trains_to_the_same_bits(kind, tmp_path, teacher, monkeypatch):
    """By the backend that runs a graph as it is, so that nothing but the tracing differs; what does not trace is an error."""
    plain = train_toy(kind, tmp_path / "plain", teacher, 3)
    compiled = []

    def compile_whole(module: nn.Module, dynamic: bool) -> None:
        assert not dynamic
        compiled.append(type(module).__name__)
        partialmethod(real, backend="eager", fullgraph=True).__get__(module)()

    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", compile_whole)
    torch._dynamo.reset()
    assert same(plain, train_toy(kind, tmp_path / "compiled", teacher, 3, 'train.compile="on"'))
    assert set(compiled) == ({"Block", "Sequential"} if kind == "adversarial" else {"Block"})


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.heavy if kind == "consistent" else ())
        for kind in TOYS  # two of them suffice in every run
    ],
)
def test_two_processes_are_one_with_two_parts(kind, tmp_path, teacher):
    alone = train_toy(kind, tmp_path / "alone", teacher, 4, "train.accumulate=2")
    script = Path(__file__).parents[1] / "toys.py"
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(script),
    ]
    words = [kind, str(tmp_path / "two"), teacher, "4"]
    done = subprocess.run(
        [*command, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = state(alone), state(tmp_path / "two")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(
            theirs[name],
            tensor,
            atol=1e-5,
            rtol=1e-3,
            msg=lambda text, name=name: f"{name}: {text}",
        )
