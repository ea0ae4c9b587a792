"""A trained model as a file of its own: whole, never over another, and sampled as before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from difftool.cli import main
from difftool.engine.weights import MODEL, load_weights
from difftool.exporter import TrainedModel
from difftool.testing import exporter_contract

GOLDEN = Path(__file__).parent / "golden" / "image.safetensors"


def golden() -> TrainedModel:
    weights, about = load_weights(GOLDEN, MODEL)
    return TrainedModel(weights, about, lambda: pytest.fail("nothing has to be built"))


TestModel = exporter_contract("model", model=golden)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["export", str(GOLDEN), *words])
    return leaving.value.code or 0


def test_a_model_is_written_and_never_over_another_file(tmp_path, capsys):
    to = tmp_path / "copy.safetensors"
    assert run("--to", str(to)) == 0
    (tensors, about), trained = load_weights(to, MODEL), golden()
    assert about == trained.about
    assert tensors.keys() == trained.weights.keys()
    assert all(torch.equal(tensor, trained.weights[name]) for name, tensor in tensors.items())
    to.write_bytes(b"mine")
    assert run("--to", str(to)) == 2
    assert to.read_bytes() == b"mine"
    assert "already exists" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["copy.safetensors"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--to", "model.bin"],
            "does not say what to write. Choose one with --format: model (.safetensors)",
        ),
        (
            ["--to", "model.bin", "--format", "modle"],
            "There is no exporter 'modle'. Did you mean 'model'?",
        ),
        (["--to", "x.safetensors", "--set", "exporter.half=1"], "exporter.half is unknown"),
        (["--to", "x.safetensors", "--ema", "0.1"], "has no snapshots"),
    ],
)
def test_what_cannot_be_exported_is_reported(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
