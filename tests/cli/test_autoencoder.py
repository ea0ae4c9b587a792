"""A run without a denoiser: trained, previewed by reconstructions and resumed; what would sample from it says that it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import SETS, call, pictures


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    about = tmp_path / "site" / "difftool_toyautoencoder-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: difftool-toyautoencoder\nVersion: 0.1\n"
    )
    (about / "entry_points.txt").write_text("[difftool]\ntoyautoencoder = toyautoencoder.plugin\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path


def trained(run: str, *sets: str, steps: int = 8) -> int:
    words = [
        *SETS,
        f"train.steps={steps}",
        "objective.use=squeeze",
        "optimizer.lr=0.05",
        "optimizer.warmup=0",
        "optimizer.decay=constant",
        "modality.augment=0",
        "train.preview=4",
        *sets,
    ]
    return call(
        "train",
        "-m",
        "image",
        str(pictures()),
        "--run",
        run,
        *(word for text in words for word in ("--set", text)),
    )


def test_an_autoencoder_trains_previews_and_resumes_to_the_bit(place, capsys):
    assert trained("runs/a") == 0
    assert trained("runs/b", "train.steps=4") == 0
    assert call("resume", "runs/b", "--steps", "8") == 0
    one, other = (load_file(f"runs/{name}/model.safetensors") for name in "ab")
    assert one.keys() == other.keys() == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert list(Path("runs/a/samples").glob("preview-00000008*"))
    losses = [
        json.loads(line)["loss"] for line in Path("runs/a/metrics.jsonl").read_text().splitlines()
    ]
    assert losses[-1] < losses[0]


def test_nothing_samples_from_it_and_the_reason_is_reported(place, capsys):
    assert trained("runs/a", steps=2) == 0
    said = capsys.readouterr().err
    assert "makes no samples" in said
    assert "Sample from it" not in said
    assert call("sample", "runs/a", "-n", "1") == 2
    assert "makes no samples" in capsys.readouterr().err
    assert call("evaluate", "runs/a", "-n", "2") == 0
    assert "psnr_db" in capsys.readouterr().out
