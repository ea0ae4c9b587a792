"""Weight files: whole or not at all, and clear about what they are."""

from __future__ import annotations

import errno
import json
import os

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from difftool.engine.weights import CHECKPOINT, MODEL, load_weights, read_about, save_weights
from difftool.errors import DifftoolError, ModelFileError
from difftool.files import replacing

TENSORS = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}
ABOUT = {"config": {}, "description": {}}


def test_round_trip(tmp_path):
    path = tmp_path / "model.safetensors"
    save_weights(path, MODEL, TENSORS, {**ABOUT, "step": 7, "names": ["a", "b"]})
    tensors, about = load_weights(path, MODEL)
    assert about == {**ABOUT, "step": 7, "names": ["a", "b"]}
    assert all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("size", [0, 1, 7, 40, -1])
def test_truncated(tmp_path, size):
    path = tmp_path / "model.safetensors"
    save_weights(path, MODEL, TENSORS, ABOUT)
    data = path.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(ModelFileError, match="damaged, truncated, or not a model file"):
        load_weights(path, MODEL)


def test_a_pickle_is_refused_unopened(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(TENSORS, path)
    with pytest.raises(ModelFileError, match="pickle"):
        load_weights(path, MODEL)


@pytest.mark.parametrize("start", [b"\x80\x04", b"PK"])
def test_a_header_whose_length_begins_as_a_pickle_does_is_none(start, tmp_path):
    path, about = tmp_path / "model.safetensors", {**ABOUT, "note": ""}
    save_weights(path, MODEL, TENSORS, about)
    length = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = int.from_bytes(start, "little")
    save_weights(path, MODEL, TENSORS, {**about, "note": "x" * (wanted - length)})
    assert path.read_bytes()[:2] == start
    assert torch.equal(load_weights(path, MODEL)[0]["w"], TENSORS["w"])


def test_foreign_kind_and_newer_version(tmp_path):
    foreign, checkpoint, newer = (
        tmp_path / f"{name}.safetensors" for name in ("foreign", "checkpoint", "newer")
    )
    save_file(TENSORS, foreign)
    save_weights(checkpoint, CHECKPOINT, TENSORS, ABOUT)
    save_file(TENSORS, newer, metadata={"format": MODEL, "version": "99", "about": "{}"})
    with pytest.raises(ModelFileError, match="did not write"):
        read_about(foreign, MODEL)
    with pytest.raises(ModelFileError, match="difftool-checkpoint, not a difftool-model"):
        read_about(checkpoint, MODEL)
    with pytest.raises(ModelFileError, match="Upgrade difftool"):
        read_about(newer, MODEL)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": None}, "format version"),
        ({"version": "x"}, "format version"),
        ({"version": "9" * 5000}, "format version"),
        ({"about": None}, "'about', it is not JSON"),
        ({"about": "{"}, "'about', it is not JSON"),
        ({"about": "[" * 100_000}, "nested too deeply"),
        ({"about": '{"step": ' + "9" * 5000 + "}"}, "too many digits"),
        ({"about": "[]"}, "'about' is not valid: input should be an object"),
        (
            {"about": '{"config": {}, "description": 3}'},
            "'about.description' is not valid: input should be",
        ),
        ({"about": '{"description": {}}'}, "'about.config' is not valid: field required"),
        ({"about": '{"config": {"train": 5}, "description": {}}'}, "'about.config.train'"),
        (
            {"about": '{"config": {"a": {"b": 1e400}}, "description": {}}'},
            "'about.config.a.b' is inf",
        ),
        ({"about": '{"config": {}, "description": {}, "step": "4"}'}, "'about.step' is not valid"),
    ],
)
def test_a_damaged_header_is_named_with_the_entry(tmp_path, change, words):
    path, header = (
        tmp_path / "model.safetensors",
        {"format": MODEL, "version": "1", "about": json.dumps(ABOUT)},
    )
    save_file(
        TENSORS,
        path,
        metadata={name: text for name, text in (header | change).items() if text is not None},
    )
    with pytest.raises(ModelFileError, match=words) as caught:
        read_about(path, MODEL)
    assert str(path) in str(caught.value)
    assert "another copy" in str(caught.value)


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
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
    ],
)
def test_a_full_disk_is_named(tmp_path, error):
    with pytest.raises(DifftoolError, match=r"disk .* is full"), replacing(tmp_path / "file"):
        raise error
