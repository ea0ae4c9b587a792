"""Models, runs and cascades made before the house was rebuilt: they load, go on and sample as they did, to the byte.

The files were made by ``make.py``. On another processor, or with another torch, the last bits differ; there the
samples must be near those that were stored.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import call

from golden.known import HERE, MODELS, SAMPLERS, arrays_of, machine, pictures_in, sampled

SAME_MACHINE = json.loads((HERE / "machine.json").read_text()) == machine()


@pytest.fixture(autouse=True)
def one_thread():
    """How a sum is split over threads decides its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_same(made: np.ndarray, stored: np.ndarray) -> None:
    assert made.dtype == stored.dtype
    assert made.shape == stored.shape
    if SAME_MACHINE:
        assert np.array_equal(made, stored)
    else:
        span = max(1.0, float(np.ptp(stored.astype(np.float64))))
        assert np.abs(made.astype(np.float64) - stored.astype(np.float64)).mean() < 0.01 * span


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", MODELS)
def test_an_old_model_gives_the_samples_it_gave(name, sampler):
    stored = np.load(HERE / f"{name}.npz")
    for i, one in enumerate(sampled(HERE / f"{name}.safetensors", sampler)):
        assert_same(one, stored[f"{sampler} {i}"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the old run, the old cascade and the data that they name."""
    monkeypatch.chdir(tmp_path)
    pictures = pictures_in(tmp_path / "pictures")
    for name in ("stopped", "cascade"):
        shutil.copytree(HERE / name, tmp_path / name)
    for path in tmp_path.rglob("*.toml"):
        path.write_text(path.read_text().replace("PICTURES", str(pictures)))
    return tmp_path


def test_an_old_run_goes_on_and_ends_as_it_would_have(here):
    assert call("resume", "stopped") == 0
    stored, found = (
        load_file(HERE / "resumed.safetensors"),
        load_file(here / "stopped" / "model.safetensors"),
    )
    assert stored.keys() == found.keys()
    for name, tensor in stored.items():
        assert_same(found[name].numpy(), tensor.numpy())


def test_an_old_cascade_gives_the_samples_it_gave(here):
    assert (
        call("sample", "cascade", "-n", "4", "--sampler", "heun", "--save-all", "-o", "made") == 0
    )
    stored, found = np.load(HERE / "cascade.npz"), arrays_of(Path("made"))
    assert set(stored.files) == found.keys()
    for name, picture in found.items():
        assert_same(picture, stored[name])


def test_an_old_flag_works_and_the_new_name_is_reported(here, capsys):
    assert call("sample", "cascade", "-n", "1", "--rounds", "2", "-o", "old") == 0
    assert (
        "--rounds: sample.rounds is now called sample.resampling_steps" in capsys.readouterr().err
    )
    assert call("sample", "cascade", "-n", "1", "--resampling-steps", "2", "-o", "new") == 0
    old, new = arrays_of(Path("old")), arrays_of(Path("new"))
    assert old.keys() == new.keys()
    for name in old:
        assert_same(old[name], new[name])
    assert call("sample", "--help") == 0
    assert "--rounds" not in capsys.readouterr().out
