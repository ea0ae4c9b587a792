"""Text is a plugin's matter: captions are trained, resumed and sampled from the command line, by frozen weights and masked tokens."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small import SETS, call

from difftool.plugin.registry import Registry
from difftool.testing import conditioner_contract

TEXTS = ("a red dog", "a cat", "two blue cats, asleep", "")
WIDTH = 8


def install(folder: Path) -> str:
    """The metadata of an installed distribution whose plugin is ``toytext``; returns the folder for ``sys.path``."""
    about = folder / "difftool_toytext-0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: difftool-toytext\nVersion: 0.1\n")
    (about / "entry_points.txt").write_text("[difftool]\ntoytext = toytext.plugin\n")
    return str(folder)


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(install(tmp_path / "site"))
    save_file(
        {"weight": torch.randn(256, WIDTH, generator=torch.Generator().manual_seed(5))},
        tmp_path / "table.safetensors",
    )
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "caption"])
        for i in range(16):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{i:02d}.png")
            table.writerow([f"{i:02d}.png", TEXTS[i % 4]])
    return folder


def trained(data: Path, *sets: str, steps: int = 8, run: str = "runs/a") -> int:
    caption = [
        "conditions.caption.use=caption",
        "conditions.caption.table=table.safetensors",
        "optimizer.decay=constant",
        "optimizer.use=adamw",
        "optimizer.lr=0.02",
    ]
    words = [*SETS, f"train.steps={steps}", *caption, *sets]
    return call(
        "train",
        "--modality",
        "image",
        str(data),
        "--run",
        run,
        *(word for text in words for word in ("--set", text)),
    )


def weights(run: str) -> dict[str, torch.Tensor]:
    return load_file(f"{run}/model.safetensors")


def sampled(run: str, *more: str, to: str) -> list[np.ndarray]:
    assert call("sample", run, "-n", "2", "--steps", "3", "--guidance", "2", *more, "-o", to) == 0
    return [np.asarray(Image.open(path)) for path in sorted(Path(to).glob("*.png"))]


def test_a_caption_is_trained_resumed_and_sampled(data):
    assert trained(data) == 0
    table = load_file("table.safetensors")["weight"]
    stored = [name for name, tensor in weights("runs/a").items() if tensor.shape == table.shape]
    assert len(stored) == 1
    assert torch.equal(weights("runs/a")[stored[0]], table)
    (checkpoint,) = Path("runs/a/checkpoints").glob("00000008*")
    assert (
        len([name for name in load_file(checkpoint) if name.endswith(stored[0])]) == 1
    )  # neither averaged nor given moments
    assert call("resume", "runs/a", "--steps", "10") == 0
    Path("table.safetensors").unlink()  # the model file is all that sampling needs
    dog, cats = (
        sampled("runs/a", "--cond", f'caption="{text}"', to=to)
        for text, to in ((TEXTS[0], "dog"), (TEXTS[2], "cats"))
    )
    assert not np.array_equal(dog[0], cats[0])
    with open("cats/metadata.csv", encoding="utf-8") as file:
        assert [row["caption"] for row in csv.DictReader(file)] == [TEXTS[2]] * 2
    sampled("runs/a", to="drawn")
    with open("drawn/metadata.csv", encoding="utf-8") as file:
        assert {row["caption"] for row in csv.DictReader(file)} <= {*TEXTS[:3]}


def test_a_run_that_was_stopped_ends_as_one_that_was_not(data):
    assert trained(data, steps=4, run="runs/short") == 0
    assert call("resume", "runs/short", "--steps", "8") == 0
    assert trained(data, steps=8, run="runs/long") == 0
    short, long = weights("runs/short"), weights("runs/long")
    assert all(torch.equal(short[name], long[name]) for name in long)


def test_a_reference_is_stored_in_place_of_the_weights_and_checked(data, capsys):
    assert trained(data, "conditions.caption.stored=false") == 0
    assert not any(tensor.shape == (256, WIDTH) for tensor in weights("runs/a").values())
    before = sampled("runs/a", to="before")
    assert all(map(np.array_equal, before, sampled("runs/a", to="again")))
    good = Path("table.safetensors").read_bytes()
    save_file({"weight": torch.zeros(256, WIDTH)}, "table.safetensors")
    for command in (
        ["sample", "runs/a", "-n", "1"],
        ["resume", "runs/a", "--steps", "12"],
    ):
        capsys.readouterr()
        assert call(*command) != 0
        assert "differ from those that the model was trained with" in capsys.readouterr().err
    Path("table.safetensors").unlink()
    assert call("sample", "runs/a", "-n", "1") != 0
    assert "The file table.safetensors is missing" in capsys.readouterr().err
    Path("table.safetensors").write_bytes(good)
    assert all(map(np.array_equal, before, sampled("runs/a", to="restored")))


def test_missing_weights_and_a_caption_that_is_too_long_are_refused(data, capsys):
    assert trained(data, "conditions.caption.table=nowhere.safetensors") != 0
    assert "nowhere.safetensors does not exist" in capsys.readouterr().err
    assert trained(data, steps=2, run="runs/b") == 0
    assert call("sample", "runs/b", "-n", "1", "--cond", f"caption={'x' * 99}") == 2
    assert "longer than the" in capsys.readouterr().err


class TestContract:
    """The contract, in a process to which the plugin is installed."""

    @pytest.fixture(autouse=True)
    def installed(self, data, monkeypatch):
        found = Registry.load_all()
        monkeypatch.setattr("difftool.testing.parts.registry", lambda: found)
        monkeypatch.setattr("difftool.testing.conditioner.registry", lambda: found)

    def test_it_keeps_the_contract_of_conditioners(self):
        suite = conditioner_contract("caption", {"table": "table.safetensors"}, cells=TEXTS[:3])
        checks = [getattr(suite, name) for name in dir(suite) if name.startswith("test_")]
        assert len(checks) > 12
        for check in checks:
            check(suite())
