"""Conditions that are files: laid beside the noisy example, by their embedding, or as control maps."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import SETS, call, examples, same

STILL = [*SETS, "modality.augment=0"]
WORDS = [word for setting in STILL for word in ("--set", setting)]


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Six pictures, each brighter than the file before it, which lies in the same folder."""
    folder = tmp_path_factory.mktemp("place")
    with open(folder / "metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file_name", "before", "caption"))
        for i in range(6):
            picture(folder / f"after/{i}.png", 40 * i + 40)
            name = f"before/{i}.png" if i else ""  # the first has none
            if name:
                picture(folder / name, 40 * i)
            table.writerow((f"after/{i}.png", name, f"make it {'much ' * (i % 2)}brighter"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        conditions = ["conditions.before.use=beside", "conditions.caption.use=text",
                      "conditions.caption.token_width=16", "conditions.caption.layers=1"]  # fmt: skip
        sets = [word for one in conditions for word in ("--set", one)]
        words = ["-m", "image", ".", *WORDS, *sets, "--steps", "6", "--run", "runs/edit"]
        words += ["--set", "optimizer.warmup=0", "--set", "optimizer.lr=0.02"]
        assert call("train", *words) == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def sampled(*words: str, to: Path) -> dict[str, np.ndarray]:
    shape = ("-n", "2", "--steps", "3", "--precision", "fp32")
    assert call("sample", *words, *shape, "-o", str(to)) == 0
    return examples(str(to))


def ordered(found: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Samples by their numbers."""
    return [one for _, one in sorted(found.items())]


def test_before_text_after(tmp_path, capsys):
    from difftool.workflows.model import ModelFile

    about = ModelFile.read(Path("runs/edit/model.safetensors")).description
    assert about.count == 6, "the files before an edit are not examples themselves"
    prompt = ("edit", "--prompt", "make it brighter")
    given = (*prompt, "--cond", "before=before/1.png")
    one = sampled(*given, to=tmp_path / "one")
    turns = sampled(*prompt, "--cond", "before=none,before/1.png", to=tmp_path / "turns")
    same_file = [np.array_equal(*pair) for pair in zip(ordered(one), ordered(turns), strict=True)]
    assert same_file == [False, True], "files take turns, and none is another condition"
    # two scales: D(0) + 1.5 (D(before) - D(0)) + 4 (D(before, text) - D(before))
    assert not same(one, sampled(*given, "--guidance", "before=1.5,caption=4", to=tmp_path / "two"))
    capsys.readouterr()
    assert call("sample", "edit", "--cond", "before=nowhere.png", "-o", "no") == 2
    assert "nowhere.png does not exist" in capsys.readouterr().err


@pytest.mark.heavy
def test_a_control_branch_follows_files(tmp_path):
    plain = [*WORDS, "--steps", "2", "--set", "optimizer.warmup=0"]
    assert call("train", "-m", "image", "after", *plain, "--run", str(tmp_path / "first")) == 0
    table = (Path("metadata.csv").read_text()).replace("0.png,,", "0.png,before/0.png,")
    shutil.copytree("after", tmp_path / "data/after")
    shutil.copytree("before", tmp_path / "data/before")
    picture(tmp_path / "data/before/0.png", 0)
    (tmp_path / "data/metadata.csv").write_text(table)
    asked = ["--method", "control", "--steps", "3", "--set", "objective.operator=file", "--set",
             "objective.column=before", "--set", "train.batch=4", "--set", "optimizer.lr=0.1",
             "--set", "optimizer.warmup=0"]  # fmt: skip
    run = str(tmp_path / "maps")
    assert (
        call("finetune", str(tmp_path / "first"), str(tmp_path / "data"), *asked, "--run", run) == 0
    )
    one = sampled(run, "--control", "before/1.png", to=tmp_path / "one")
    other = sampled(run, "--control", "before/5.png", to=tmp_path / "other")
    assert not same(one, other)


@pytest.mark.heavy
def test_files_that_would_not_fit_are_refused(tmp_path, capsys):
    words = ["-m", "image", ".", *WORDS, "--set", "conditions.before.use=beside", "--steps", "2"]
    assert call("train", *words, "--set", "modality.flip=true", "--run", str(tmp_path / "no")) == 2
    assert "modality.flip = false" in " ".join(capsys.readouterr().err.split())
    words = ["-m", "image", ".", *WORDS, "--set", "conditions.caption.use=beside"]
    assert call("train", *words, "--run", str(tmp_path / "no")) != 0
    assert "which does not exist in" in " ".join(capsys.readouterr().err.split())
