"""The modality of docs/plugins.md: three methods, and every other one by its default."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from difftool import (
    DataError,
    Description,
    Item,
    Modality,
    NoOptions,
    PluginError,
    Stream,
    Streams,
    UsageError,
    creating,
    readable,
    remark,
    scan_folder,
)
from difftool.data.inspect import inspect

PAGE = (Path(__file__).parents[1] / "docs/plugins.md").read_text(encoding="utf-8")


def documented() -> type[Modality]:
    code = next(
        code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "(Modality)" in code
    )
    names = {
        "Modality": Modality,
        "DataError": DataError,
        "creating": creating,
        "scan_folder": scan_folder,
        "np": np,
        "json": json,
    }
    exec(code, names)
    return names["Numbers"]


@pytest.fixture
def numbers() -> Modality:
    return documented()(NoOptions())


@pytest.fixture
def folder(tmp_path, numbers):
    for i in range(6):
        numbers.write(
            np.arange(4, dtype=np.float32)[None] + i, tmp_path / str(i), {"seed": i}, NoOptions()
        )
    return tmp_path


def test_what_is_written_is_read(folder, numbers):
    items = numbers.scan(folder)
    assert numbers.fit(items) is numbers
    assert numbers.settings() == NoOptions()
    for read in (numbers.read, numbers.read_sample, numbers.read_given):
        assert read(items[2]).tolist() == [[2, 3, 4, 5]]
    with pytest.raises(UsageError, match="exists"):
        numbers.write(numbers.read(items[0]), folder / "0", {}, NoOptions())


def test_batches_and_templates_have_the_shape_of_the_examples(folder, numbers):
    examples = [numbers.read(item) for item in numbers.scan(folder)]
    shape, extra, own = numbers.describe(np.asarray([example.shape for example in examples]))
    assert (shape, extra, own) == ((1, 4), {}, ())
    for given in (examples, np.stack(examples)):
        raw = numbers.collate(given, Stream(0, "collate"))
        assert raw.x.dtype == torch.float32
        assert raw.x.tolist() == np.stack(examples).tolist()
        assert numbers.augment(raw, Stream(0, "augment")) is raw
    template = numbers.template(
        Description(shape, "float32", 6, {}, {}), 3, Streams(0, "template", range(3)), NoOptions()
    )
    assert (template.x.dtype, template.x.shape, template.mask) == (torch.float32, (3, 1, 4), None)


def test_a_batch_does_not_write_to_the_cache(numbers):
    cached = np.zeros((2, 1, 4), np.float32)
    cached.flags.writeable = False
    numbers.collate(cached, Stream(0, "collate")).x.add_(1)
    assert not cached.any()


def test_a_template_without_a_fixed_shape_says_which_method_is_missing(numbers):
    with pytest.raises(PluginError, match="template"):
        numbers.template(
            Description((1, None), "float32", 6, {}, {}),
            3,
            Streams(0, "template", range(3)),
            NoOptions(),
        )


def test_a_preview_shows_curves_and_slices(folder, numbers, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    for name, example in (("curves", np.eye(3, 8)), ("slices", np.zeros((2, 3, 4, 5)))):
        path = numbers.preview([example] * 3, out / name, ["a", "b"])
        assert path == out / f"{name}.png"
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_modality_without_a_demo_set_says_what_to_do(numbers, tmp_path):
    with pytest.raises(UsageError, match=r"no demo set\. Name a folder"):
        numbers.demo(tmp_path)


def test_readable_passes_over_damaged_files_and_says_what_is_wrong_where_all_are(folder, numbers):
    def length(path: Path) -> int:
        return numbers.read(Item(path)).shape[1]

    (folder / "0.dat").write_text("damaged")
    items = numbers.scan(folder)
    assert readable(length, items) == [4] * 5
    with pytest.raises(DataError, match=r"None of the 1 file can be read.*0\.dat cannot be read"):
        readable(length, items[:1])


# --- inspect -----------------------------------------------------------------------------------------------------------


def report(folder: Path, one: Modality) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in inspect("numbers", one, one.scan(folder))]


def test_the_report_on_a_sound_folder(folder, numbers):
    assert report(folder, numbers) == [
        ("ok", "6 files"),
        ("ok", "all of them can be used"),
        ("ok", "shapes: 1x4 (6)"),
        ("ok", "values from 0 to 8, mean 4, standard deviation 2.041"),
        ("ok", "no duplicates"),
        (
            "note",
            "There are no classes, captions or metadata, so the model will be unconditional. Put the files into subfolders to get classes.",
        ),
        ("ok", f"to train: difftool train -m numbers {folder}"),
    ]


def test_a_damaged_first_file_is_named_and_a_copy_is_found(folder, numbers):
    (folder / "0.dat").write_text("damaged")
    shutil.copy(folder / "1.dat", folder / "copy.dat")
    found = report(folder, numbers)
    assert any(level == "warning" and "0.dat cannot be read" in text for level, text in found)
    assert any(
        level == "warning" and text.startswith("1 are copies of others") for level, text in found
    )
    assert found[-1][1].startswith("to train: ")


def test_examples_of_several_shapes_cannot_be_trained_on_together(folder, numbers):
    np.savetxt(folder / "long.dat", np.arange(7.0))
    found = report(folder, numbers)
    text = "The examples differ in shape, such as 1x4 and 1x7. Remove those that differ: Numbers needs examples of one shape."
    assert ("error", text) in found
    assert not any("to train" in text for _, text in found)


def test_values_that_never_change_are_a_warning(tmp_path, numbers):
    for i in range(3):
        np.savetxt(tmp_path / f"{i}.dat", np.ones(4))
    assert ("warning", "Every value is the same, so there is nothing to learn.") in report(
        tmp_path, numbers
    )


def test_a_remark_is_reported(folder):
    class Remarking(documented()):
        def read(self, item: Item) -> np.ndarray:
            remark(f"{item.path.stem} readings are missing")
            return super().read(item)

    assert any(
        level == "note" and "such as 0 readings are missing" in text
        for level, text in report(folder, Remarking(NoOptions()))
    )
