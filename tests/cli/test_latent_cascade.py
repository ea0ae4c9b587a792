"""A cascade whose first stage is an autoencoder: trained in turn, sampled by the others, and refused where it cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from small import SETS, call, pictures

FILE = """
modality = "image"

[[stage]]
name = "ae"
[stage.modality]
size = 8
[stage.objective]
use = "autoencoder"
channels = 8
multipliers = [1, 2]

[[stage]]
name = "latent"
[stage.modality]
size = 8
[stage.representation]
use = "latent"
model = "stage:ae"

[[stage]]
name = "x2"
[stage.modality]
size = 16
[stage.bridge]
use = "resample"
factors = [1, 2, 2]
"""


@pytest.fixture(scope="module")
def cascade(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cascade")
    (folder / "small.toml").write_text(FILE)
    sets = [one for one in SETS if "modality" not in one and not one.startswith("ema")]
    words = [word for one in [*sets, "train.steps=2"] for word in ("--set", one)]
    root = folder / "run"
    assert (
        call("train", str(folder / "small.toml"), str(pictures()), "--run", str(root), *words) == 0
    )
    return root


def test_it_trains_in_turn_and_again_does_nothing(cascade, capsys):
    assert all((cascade / name / "model.safetensors").is_file() for name in ("ae", "latent", "x2"))
    assert call("resume", str(cascade)) == 0
    assert capsys.readouterr().err.count("already trained") == 3


def test_samples_pass_the_autoencoder_by_and_do_not_need_it(cascade, tmp_path):
    mine = Path(shutil.copytree(cascade, tmp_path / "mine"))
    shutil.rmtree(mine / "ae")
    for words, size in ((("--until", "latent"), 8), ((), 16)):
        out = tmp_path / f"out{size}"
        assert call("sample", str(mine), "-n", "2", *words, "-o", str(out)) == 0
        assert {Image.open(path).size for path in out.rglob("0*.png")} == {(size, size)}


def test_the_autoencoder_is_measured_by_its_reconstructions(cascade, capsys):
    assert call("evaluate", str(cascade / "ae"), "-n", "8") == 0
    said = capsys.readouterr()
    assert "reconstructed by" in said.err
    assert "ssim" in said.out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('model = "stage:ae"', 'model = "stage:other"', "names no stage before it"),
        ('name = "ae"', 'name = "other"', "names no stage before it"),
    ],
)
def test_an_autoencoder_that_is_not_there_is_a_fault_of_the_file(
    tmp_path, monkeypatch, capsys, old, new, said
):
    monkeypatch.chdir(tmp_path)
    Path("wrong.toml").write_text(FILE.replace(old, new))
    assert call("train", "wrong.toml", str(pictures())) == 2
    assert said in capsys.readouterr().err


def test_a_stage_alone_waits_for_its_autoencoder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(FILE)
    assert call("train", "small.toml", str(pictures()), "--stage", "latent") == 2
    assert "needs the autoencoder of the stage ae" in capsys.readouterr().err
