"""``difftool doctor`` on a run and on data, through the command line alone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from small import SETS, call, pictures

WORDS = [word for setting in SETS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, twice as much with half of it copied, and a run of two steps."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(pictures(), folder / "data")
    shutil.copytree(pictures(), folder / "copied")
    for i, path in enumerate(sorted((folder / "data").rglob("*.png"))):
        noisy = np.asarray(Image.open(path)).astype(int) + (i % 2)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
            folder / "copied" / path.parent.name / f"again-{path.name}"
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert (
            call("train", "-m", "image", "data", *WORDS, "--steps", "2", "--run", "runs/first") == 0
        )
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def said(capsys, *args: str):
    assert call("doctor", *args, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_data_with_copies(capsys):
    found = said(capsys, "-m", "image", "copied", "--size", "8")
    assert "copies" in [one["kind"] for one in found["findings"]][:2]
    assert {one["check"] for one in found["missing"]} >= {"loss", "levels", "samples"}


def test_a_run_is_measured_and_what_could_not_be_is_listed(capsys):
    found = said(capsys, "runs/first", "--samples", "12", "--against", "data")
    checked = {one["check"] for one in found["checked"]}
    assert checked >= {"copies", "amount", "loss", "noise", "conditions", "levels", "samples"}
    missing = {one["check"]: one["reason"] for one in found["missing"]}
    assert "too few to train a judge" in missing["labels"]
    assert "too little data" in [one["kind"] for one in found["findings"]]


def test_what_is_no_run_is_told_how_to_be_data(capsys):
    assert call("doctor", "data") == 2
    assert "difftool doctor -m MODALITY data" in capsys.readouterr().err


def test_without_samples_nothing_is_said_of_them(capsys):
    assert call("doctor", "runs/first", "--samples", "0") == 0
    out = capsys.readouterr().out
    assert "Not checked, so nothing is known of:" in out
    assert "--samples 0" in out
