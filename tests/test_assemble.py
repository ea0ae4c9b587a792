"""From a folder to a data set: what is looked at once, and what cannot be told apart."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from small import SETS, registry, train

from difftool.assemble import build_stage, load_stage, open_dataset
from difftool.config import gather, resolve
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.errors import DataError, UsageError
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.workflows.words import parse_conditions

ODD = "kind of, thing"


@pytest.fixture
def folder(tmp_path):
    """Twelve files 6 by 10 with transparency; a number and an oddly named label, each missing here and there."""
    rng, rows = np.random.default_rng(0), [["file_name", "age", ODD, "self", "augment"]]
    (tmp_path / "data").mkdir()
    for i in range(12):
        array = rng.integers(0, 255, (6, 10, 4), dtype=np.uint8)
        Image.fromarray(array).save(tmp_path / "data" / f"p{i}.png")
        rows.append(
            [
                f"p{i}.png",
                "" if i % 3 == 0 else f"{i / 2}",
                ("a, b", "c/d", "é ö", "")[i % 4],
                "xy"[i % 2],
                "uv"[i % 2],
            ]
        )
    with open(tmp_path / "data" / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "data"


def opened(path, *sets):
    config = resolve(
        "image",
        gather(registry(), "image", sets=[f'data.path="{path}"', *sets], project=None),
        registry(),
    )
    return open_dataset(config, registry())


CONDITIONS = [
    f'conditions."{ODD}".use=label',
    "conditions.age.use=number",
    "conditions.self.use=label",
]


def test_conditions_of_any_name_with_missing_values_from_training_to_samples(folder, tmp_path):
    """More in a batch than there are examples, not square, transparent, and sampled at another size."""
    from difftool_image.options import ImageRequest

    sets = [s for s in SETS if not s.startswith("modality.size")]
    run = train(tmp_path / "run", folder, [*sets, *CONDITIONS, "train.steps=3", "train.batch=16"])
    stage = load_stage(run / "model.safetensors", registry(), device="cpu")
    cond = parse_conditions((f'{ODD}="a, b",é ö', "age=3.5,none", "self=none"))
    guidance = ClassifierFree(GuidanceOptions(scale=2.0, rescale=0.7, low=0.01, high=50))
    made = list(
        generate(
            stage,
            SampleRequest(
                n=2, steps=3, cond=cond, shape=ImageRequest(size="5x12"), guidance=guidance
            ),
        )
    )
    shown = [
        {ODD: "a, b", "age": 3.5, "self": None, "augment": None},
        {ODD: "é ö", "age": None, "self": None, "augment": None},
    ]
    assert [one.cond for one in made] == [
        {k: v for k, v in s.items() if k != "augment"} for s in shown
    ]
    assert [one.example.shape for one in made] == [(4, 5, 12)] * 2
    with pytest.raises(UsageError, match="in double quotes"):
        generate(stage, SampleRequest(n=1, steps=1, cond=parse_conditions((f"{ODD}=a, b",))))


def test_a_column_with_the_name_of_the_modalitys_own_condition_is_refused(folder):
    with pytest.raises(DataError, match="Rename the column"):
        opened(folder, "conditions.augment.use=label", "modality.augment=0.1")


def test_the_column_can_be_left_out_then_as_the_message_says(folder):
    config, dataset = opened(folder, *SETS, "conditions.augment.use=none", "modality.augment=0.1")
    stage = build_stage(config, registry(), dataset.description, torch.device("cpu"))
    assert stage.description.conditions["augment"].kind == "vector"
    assert "augment" in stage.denoiser.conditioners


def test_what_was_settled_is_not_looked_for_again(folder, monkeypatch):
    from difftool_image import measure

    looked = []
    real = measure.header
    monkeypatch.setattr(measure, "header", lambda item: looked.append(1) or real(item))
    first, _ = opened(folder)
    assert looked
    looked.clear()
    assert opened(folder)[0] == first
    assert not looked
    Image.new("L", (7, 7)).save(folder / "p0.png")
    assert opened(folder)[0] != first
    assert looked


def test_a_stricter_share_of_bad_files_holds_for_a_cache_made_with_a_laxer_one(folder):
    for i in range(3):
        (folder / f"p{i}.png").write_bytes(b"broken")
    assert len(opened(folder, "data.max_bad=0.5")[1]) == 9
    with pytest.raises(DataError, match="More than 0%"):
        opened(folder, "data.max_bad=0")


def test_a_class_whose_names_are_numbers_is_a_label(folder):
    rows = [["file_name", "label", "age"], *([f"p{i}.png", i % 3, i] for i in range(12))]
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    _, dataset = opened(folder)
    assert dataset.description.conditions["label"].names == ("0", "1", "2")
    assert (
        opened(folder, "conditions.age.dropout=0.2")[1].description.conditions["age"].kind
        == "number"
    )
