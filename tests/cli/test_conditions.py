"""Conditions from the command line: every conditioner on every kind of column is trained and sampled, or refused before a file is written."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import SETS, call, registry

from difftool.column import Column
from difftool.description import Description
from difftool.engine.folder import RunFolder
from difftool.errors import PluginError

ROWS = [
    {"kind": "left", "brightness": "0.5", "tags": "cat;drawing"},
    {"kind": "above", "brightness": "2", "tags": "cat"},
    {"kind": "left", "brightness": "-1.5", "tags": ""},
    {"kind": "above", "brightness": "", "tags": "dog; drawing"},
]
ABLE = {
    ("label", "kind"),
    ("label", "brightness"),
    ("label", "tags"),
    ("labels", "kind"),
    ("labels", "brightness"),
    ("labels", "tags"),
    ("number", "brightness"),
    ("text", "kind"),
    ("text", "brightness"),
    ("text", "tags"),
}


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file_name", *ROWS[0]])
        table.writeheader()
        for i in range(12):
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{i:02d}.png")
            table.writerow({"file_name": f"{i:02d}.png", **ROWS[i % 4]})
    return folder


def trained(data: Path, *conditions: str, run: str = "runs/a") -> int:
    words = [*SETS, "train.steps=2", "train.preview=0", *conditions]
    return call(
        "train",
        "--modality",
        "image",
        str(data),
        "--run",
        run,
        *(word for text in words for word in ("--set", text)),
    )


@pytest.mark.parametrize("column", ["kind", "brightness", "tags"])
@pytest.mark.parametrize("use", [spec.name for spec in registry().specs("conditioner")])
def test_every_conditioner_on_every_column_works_or_is_refused_before_anything_is_written(
    data, capsys, use, column
):
    code = trained(data, f"conditions.{column}.use={use}")
    if (use, column) not in ABLE:
        said = capsys.readouterr().err
        assert code in (2, 3), said
        assert column in said
        assert "Traceback" not in said
        assert not Path("runs").exists()
        return
    assert code == 0, capsys.readouterr().err
    assert call("sample", "runs/a", "-n", "2", "--steps", "2") == 0


def test_a_list_in_one_column_is_several_labels_at_once(data, capsys):
    assert trained(data, "conditions.tags.use=labels") == 0
    found = RunFolder.open(Path("runs/a")).description().conditions["tags"]
    assert found.names == ("cat", "dog", "drawing")
    assert dict(zip(found.combinations, found.counts, strict=True)) == {
        (0, 2): 3,
        (0,): 3,
        (1, 2): 3,
    }
    assert call("resume", "runs/a", "--steps", "4") == 0
    assert (
        call(
            "sample",
            "runs/a",
            "-n",
            "2",
            "--steps",
            "2",
            "--cond",
            "tags=cat;dog,none",
            "--guidance",
            "2",
            "-o",
            "out",
        )
        == 0
    )
    with open("out/metadata.csv", encoding="utf-8") as file:
        assert [row["tags"] for row in csv.DictReader(file)] == ["cat;dog", ""]
    assert (
        call(
            "sample",
            "runs/a",
            "-n",
            "1",
            "--steps",
            "2",
            "--cond",
            "tags=cat;drawin",
            "-o",
            "other",
        )
        == 2
    )
    assert "Did you mean 'drawing'?" in capsys.readouterr().err


def test_descriptions_of_models_made_before_are_read():
    """They held, for every condition, the facts of every kind."""
    old = {"names": [], "counts": [], "mean": 0.0, "std": 1.0, "low": 0.0, "high": 0.0, "width": 0}
    label = Column.from_json(
        {**old, "name": "class", "kind": "label", "names": ["a", "b"], "counts": [3, 1]}
    )
    assert (label.names, label.counts, label.parse("b")) == (("a", "b"), (3, 1), 1)
    number = Column.from_json(
        {**old, "name": "age", "kind": "number", "mean": 2.0, "low": 1.0, "high": 3.0}
    )
    assert number.to_json() == {
        "kind": "number",
        "name": "age",
        "mean": 2.0,
        "std": 1.0,
        "low": 1.0,
        "high": 3.0,
    }
    assert Column.from_json({**old, "name": "seen", "kind": "channels", "width": 4}).width == 4


def test_a_kind_that_nothing_installed_knows_is_refused_and_never_drawn():
    entry = {"name": "smell", "kind": "scent", "mean": 1.0}
    with pytest.raises(PluginError, match="kind 'scent', which nothing installed provides"):
        Description.from_json(
            {
                "shape": [1],
                "dtype": "uint8",
                "count": 1,
                "conditions": {"smell": entry},
                "extra": {},
            }
        )
