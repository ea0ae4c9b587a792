"""Weight files: whole or not at all, and clear about what they are."""

from __future__ import annotations

import errno
import os

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from difftool.engine.weights import CHECKPOINT, MODEL, load_weights, read_about, save_weights
from difftool.errors import DifftoolError, ModelFileError
from difftool.files import replacing

TENSORS = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}


def test_round_trip(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(path, MODEL, TENSORS, {"step": 7, "names": ["a", "b"]})
    tensors, about = load_weights(path, MODEL)
    assert about == {"step": 7, "names": ["a", "b"]}
    assert all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("size", [0, 1, 7, 40, -1])
def test_truncated(tmp_path, size):
    path = tmp_path / "model.safetensors"
    save_weights(path, MODEL, TENSORS, {})
    data = path.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(ModelFileError, match="damaged or truncated"):
        load_weights(path, MODEL)


def test_a_pickle_is_refused_unopened(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(TENSORS, path)
    with pytest.raises(ModelFileError, match="pickle"):
        load_weights(path, MODEL)


def test_foreign_kind_and_newer_version(tmp_path):
    foreign, checkpoint, newer = (tmp_path / f"{name}.safetensors" for name in ("foreign", "checkpoint", "newer"))
    save_file(TENSORS, foreign)
    save_weights(checkpoint, CHECKPOINT, TENSORS, {})
    save_file(TENSORS, newer, metadata={"format": MODEL, "version": "99", "about": "{}"})
    with pytest.raises(ModelFileError, match="did not write"):
        read_about(foreign, MODEL)
    with pytest.raises(ModelFileError, match="difftool-checkpoint, not a difftool-model"):
        read_about(checkpoint, MODEL)
    with pytest.raises(ModelFileError, match="upgrade difftool"):
        read_about(newer, MODEL)


def test_a_failure_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named(tmp_path, error):
    with pytest.raises(DifftoolError, match=r"disk .* is full"), replacing(tmp_path / "file"):
        raise error
