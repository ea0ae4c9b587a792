"""Parquet files that hold files: pictures, sounds or anything, with texts and labels beside them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image
from small import call

from difftool import scan_folder
from difftool.data.locate import locate
from difftool.data.remark import remarks
from difftool.errors import DataError, PluginError
from difftool.plugin.registry import Registry
from difftool.sources.options import ParquetOptions
from difftool.sources.signatures import suffix_of

REGISTRY = Registry.load_all()
NAMES = ("cat", "dog")


def picture(level: int, kind: str = "PNG") -> bytes:
    Image.new("RGB", (8, 8), (level, 0, 0)).save(out := io.BytesIO(), kind)
    return out.getvalue()


def sound(hz: float, kind: str = "WAV") -> bytes:
    wave = np.sin(np.arange(800) * hz * 2 * np.pi / 8000)
    soundfile.write(out := io.BytesIO(), wave, 8000, format=kind)
    return out.getvalue()


def files(contents: list[bytes | None], paths: list[str | None] | None = None) -> pa.Array:
    """A column as the library ``datasets`` writes pictures and sounds."""
    rows = [
        {"bytes": data, "path": path}
        for data, path in zip(contents, paths or [None] * len(contents), strict=True)
    ]
    return pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def write(path: Path, **columns: Any) -> Path:
    """A table with the names of its labels noted as the library notes them."""
    path.parent.mkdir(exist_ok=True)
    features = {"label": {"names": NAMES, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    about = json.dumps({"info": {"features": features}})
    pq.write_table(pa.table(columns).replace_schema_metadata({"huggingface": about}), path)
    return path


def found(path: Path | str, ends: str = ".png", **options: str) -> tuple[list[dict], list[str]]:
    """The columns of the items that are read, and the remarks."""
    with remarks() as texts:
        use = "parquet" if options else "auto"
        chosen = ParquetOptions(**options) if options else None
        folder = locate(str(path), REGISTRY, use, chosen)
        return [dict(item.columns) for item in scan_folder(folder, [ends])], texts


def test_labels_texts_and_numbers_become_columns(tmp_path):
    path = write(
        tmp_path / "a.parquet",
        image=files([picture(0), picture(9), picture(99)]),
        label=[0, 1, None],
        text=["a cat, asleep", 'a "dog"', "two\nlines"],
        year=[1999, 2004, 2020],
        tags=[["x", "y"], [], ["z"]],
    )
    items, texts = found(path)
    assert items == [
        {"label": "cat", "text": "a cat, asleep", "year": 1999.0, "tags": "x;y"},
        {"label": "dog", "text": 'a "dog"', "year": 2004.0},
        {"text": "two\nlines", "year": 2020.0, "tags": "z"},
    ]
    assert not texts


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (picture(1), ".png"),
        (picture(1, "JPEG"), ".jpg"),
        (picture(1, "WEBP"), ".webp"),
        (picture(1, "GIF"), ".gif"),
        (picture(1, "BMP"), ".bmp"),
        (picture(1, "TIFF"), ".tif"),
        (sound(440), ".wav"),
        (sound(440, "FLAC"), ".flac"),
        (sound(440, "OGG"), ".ogg"),
        (b"anything", ""),
    ],
)
def test_the_first_bytes_say_what_a_file_is(data, suffix):
    assert suffix_of(data) == suffix


def test_a_name_says_it_too_and_an_option_decides(tmp_path):
    path = write(tmp_path / "a.parquet", data=files([b"1", b"2"], ["x/one.DAT", "two.dat"]))
    assert len(found(path, ".dat")[0]) == 2
    assert len(found(path, ".bin", suffix=".bin")[0]) == 2
    nameless = write(tmp_path / "b.parquet", data=pa.array([b"1", b"2"]))
    with pytest.raises(DataError, match=r"--set source.suffix=.EXT"):
        found(nameless)
    assert len(found(nameless, ".bin", suffix=".bin")[0]) == 2


def test_shards_of_several_splits_are_splits(tmp_path):
    for split, n in {"train": 2, "test": 1}.items():
        for k in range(n):
            name = f"{split}-{k:05d}-of-{n:05d}.parquet"
            write(tmp_path / "data" / name, image=files([picture(k)]), label=[k])
    items, texts = found(tmp_path / "data")
    assert [item["label"] for item in items] == ["cat", "dog"]
    assert "held out: test (1)" in texts[0]
    assert len(found(tmp_path / "data" / "train-*.parquet")[0]) == 2
    assert len(found(tmp_path / "data" / "test-00000-of-00001.parquet")[0]) == 1


def test_a_small_file_does_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("difftool.sources.parquet.GIGABYTE", 1000)
    alike = [bytes(10_000) + bytes([i % 2]) for i in range(1000)]  # a dictionary holds two
    path = write(tmp_path / "a.parquet", image=files(alike, ["a.png"] * 1000))
    assert path.stat().st_size < 50_000
    with pytest.raises(DataError, match=r"100 times its own size \(source\.max_ratio\)"):
        found(path)


def test_what_is_left_out_is_reported(tmp_path):
    boxes = pa.array([{"x": 1}] * 3)
    path = write(tmp_path / "a.parquet", image=files([picture(0), None, picture(2)]), boxes=boxes)
    items, texts = found(path)
    assert len(items) == 2
    assert "1 rows without the bytes" in texts[0]
    assert texts[1].endswith("not used: boxes")


def test_faults_say_what_to_do(tmp_path):
    two = write(tmp_path / "two.parquet", image=files([picture(0)]), mask=files([picture(1)]))
    with pytest.raises(DataError, match=r"several columns of files: image, mask\. Choose it with"):
        found(two)
    assert len(found(two, column="mask")[0]) == 1
    with pytest.raises(DataError, match="Those are: image, mask"):
        found(two, column="img")
    with pytest.raises(DataError, match="no column of files, but only text"):
        found(write(tmp_path / "none.parquet", text=["a"]))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"bad\.parquet cannot be read as a Parquet file"):
        found(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"missing\.parquet does not exist"):
        found(tmp_path / "missing.parquet")
    for name, columns in {"0": {"a": [1]}, "1": {"b": [1]}}.items():
        write(tmp_path / "mixed" / f"{name}.parquet", image=files([picture(0)]), **columns)
    with pytest.raises(DataError, match="has the columns b, but an earlier file has a"):
        found(tmp_path / "mixed")


def test_without_pyarrow_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", image=files([picture(0)]))
    monkeypatch.setattr(
        "difftool.plugin.registry.unmet", lambda all: [(one, "is not installed") for one in all]
    )
    with pytest.raises(PluginError, match=r"Install it with: pip install 'pyarrow>=15'"):
        found(path)


@pytest.mark.parametrize(
    ("modality", "make"), [("image", picture), ("audio", lambda k: sound(200 + 10 * k))]
)
def test_data_of_each_kind_is_checked_from_the_command_line(modality, make, tmp_path, capsys):
    path = write(
        tmp_path / "train.parquet",
        file=files([make(k) for k in range(8)]),
        label=[k % 2 for k in range(8)],
    )
    assert call("data", "check", "-m", modality, str(path)) == 0
    said = capsys.readouterr().out
    assert "8 files" in said
    assert "column label: 2 classes, 4 of each" in said
