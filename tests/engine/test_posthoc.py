"""A horizon chosen after training, from the snapshots of a real run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import call, registry, small_run, train

from difftool.assemble import load_stage
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.engine.weights import MODEL, read_about
from difftool.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Sixty steps with two tracked widths and ten snapshots of them."""
    sets = [
        "ema.power=[0.05,0.1]",
        "ema.snapshot_every=6",
        "optimizer.use=adamw",
        "optimizer.lr=1e-3",
        "train.save_every=20",
    ]
    return RunFolder.open(
        train(tmp_path_factory.mktemp("runs") / "run", *small_run(steps=60, sets=sets))
    )


def test_snapshots_are_kept_whatever_the_checkpoints_do(run):
    assert [path.stem for path in run.snapshots()] == [f"{step:08d}" for step in range(6, 61, 6)]


@pytest.mark.parametrize("width", [0.05, 0.1])
def test_a_tracked_width_comes_back(run, width):
    state, _ = load_checkpoint(run.latest_checkpoint())
    made = dict(
        load_stage(run.model_path, registry(), device="cpu", ema=width).denoiser.named_parameters()
    )
    for name, parameter in made.items():
        torch.testing.assert_close(
            parameter.detach(), state[f"ema.power-{width:g}.{name}"], atol=2e-3, rtol=2e-3
        )  # half precision


@pytest.mark.parametrize("width", [0.05, 0.07])
def test_an_export_holds_the_average_that_is_asked_for(run, width, tmp_path):
    """The file alone then samples as the run does with this average."""
    to = tmp_path / "model.safetensors"
    assert call("export", str(run.path), "--to", str(to), "--ema", f"{width}") == 0
    exported = load_stage(to, registry(), device="cpu")
    asked = load_stage(run.model_path, registry(), device="cpu", ema=width)
    usual = load_stage(run.model_path, registry(), device="cpu")
    weights, expected, others = (stage.denoiser.state_dict() for stage in (exported, asked, usual))
    assert weights.keys() == expected.keys() == others.keys()
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert not all(torch.equal(weights[name], tensor) for name, tensor in others.items())
    assert read_about(to, MODEL)["ema"] == f"power-{width}"
    ours, theirs = (
        [one.example for one in generate(stage, SampleRequest(n=2, steps=3))]
        for stage in (exported, asked)
    )
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_widths_in_between_lie_in_between(run):
    def distance(width: float) -> float:
        final, _ = load_checkpoint(run.latest_checkpoint())
        made = load_stage(
            run.model_path, registry(), device="cpu", ema=width
        ).denoiser.named_parameters()
        return sum((p - final[f"model.{name}"]).square().sum().item() for name, p in made)

    assert (
        distance(0.05) < distance(0.07) < distance(0.1)
    )  # a longer memory is further from the last weights


def test_a_run_without_snapshots_says_so(tmp_path):
    path = train(tmp_path / "run", *small_run(steps=4))
    with pytest.raises(UsageError, match="snapshot_every"):
        load_stage(RunFolder.open(path).model_path, registry(), device="cpu", ema=0.07)
