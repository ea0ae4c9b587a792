"""Folders of numbered pictures: which they are, in which order, and what is wrong with some."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from difftool import DataError
from difftool_video.decode import Header, header
from difftool_video.numbered import is_numbered

from .conftest import (
    HEIGHT,
    WIDTH,
    levels,
    modality,
    moving,
    read,
    said,
    save,
    save_gif,
    save_pictures,
    which,
)


@pytest.mark.parametrize(
    "names",
    [
        ["frame_0001.png", "frame_0002.png"],
        ["1.png", "2.png", "10.png"],
        ["img12.jpg", "img7.jpg"],
        ["take2_scene 3_0001.TIF", "take2_scene 3_0002.tif"],
        ["0001.webp", "0002.webp", "notes.txt", "metadata.json", "Thumbs.db", "README"],
        [".DS_Store", "0001.bmp", "0003.bmp"],
        ["clip.000.png", "clip.001.png"],
    ],
)
def test_these_are_one_clip(names):
    assert is_numbered(names)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["frame_0001.png"],
        ["cat.png", "dog.png"],
        ["a1.png", "b2.png"],
        ["1.png", "2.jpg"],
        ["a1b1.png", "a2b2.png"],  # two numbers
        ["1.png", "01.png"],  # the same number twice
        ["1.png", "2.png", "cover.png"],
        ["1.png", "2.png", "3.mp4"],
        ["1.png", "2.png", "3.gif"],
        ["1.gif", "2.gif"],
        ["1.mp4", "2.mp4"],
        ["1.txt", "2.txt"],
        [".1.png", ".2.png"],
    ],
)
def test_these_are_not(names):
    assert not is_numbered(names)


def test_the_order_is_by_number(tmp_path):
    save_pictures(tmp_path / "a", levels(12), "{}.png", first=5)
    x, texts = said(tmp_path / "a")
    assert which(x) == list(range(12))
    assert texts == []


def test_pictures_are_kept_exactly_whatever_the_rate(tmp_path):
    frames = moving(5)
    save_pictures(tmp_path / "a", frames)
    for fps in (1, 10, 1000):
        assert np.array_equal(said(tmp_path / "a", fps)[0], frames.transpose(0, 3, 1, 2))
    assert header(tmp_path / "a") == Header(HEIGHT, WIDTH, 0.0, 0.0, "rgb", 5)


def test_numbers_that_are_missing_are_reported(tmp_path):
    save_pictures(tmp_path / "a", levels(12))
    (tmp_path / "a" / "frame_0004.png").unlink()
    (tmp_path / "a" / "frame_0009.png").unlink()
    x, texts = said(tmp_path / "a")
    assert len(x) == 10
    assert texts == ["2 of its numbers are missing, after 3: there the clip jumps"]


def test_every_fifth_number_is_no_gap(tmp_path):
    for k, frame in enumerate(levels(4)):
        save_pictures(tmp_path / "a", frame[None], first=5 * k)
    assert said(tmp_path / "a")[1] == []


def test_one_of_another_size_is_named(tmp_path):
    save_pictures(tmp_path / "a", levels(4))
    Image.new("RGB", (30, 20)).save(tmp_path / "a" / "frame_0003.png")
    with pytest.raises(
        DataError,
        match=r"frame_0003.png is 20x30, and frame_0001.png is 24x32. Bring them to one size",
    ):
        said(tmp_path / "a")


def test_a_damaged_one_is_named(tmp_path):
    save_pictures(tmp_path / "a", moving(4))
    path = tmp_path / "a" / "frame_0002.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"frame_0002\.png is damaged"):
        said(tmp_path / "a")


def test_a_folder_that_went_away(tmp_path):
    save_pictures(tmp_path / "a", levels(3))
    items = modality().scan(tmp_path / "a")
    for path in (tmp_path / "a").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds no pictures that are numbered"):
        modality(size=8, fps=8, frames=2, channels="rgb").read(items[0])


def test_grey_and_transparent_pictures(tmp_path):
    for k in range(3):
        picture = Image.new("LA", (WIDTH, HEIGHT), (200, 255))
        picture.paste((90, 0), (0, 0, 8, 8))
        (tmp_path / "a").mkdir(exist_ok=True)
        picture.save(tmp_path / "a" / f"{k}.png")
    assert header(tmp_path / "a").channels == "grey"
    for background, value in (("black", 0), ("white", 255)):
        x, texts = said(tmp_path / "a", channels="grey", background=background)
        assert x.shape == (3, 1, HEIGHT, WIDTH)
        assert x[0, 0, 2, 2] == value
        assert x[0, 0, 20, 20] == 200
        assert texts == [f"transparent in places: {background} shows through"]


def test_folders_and_files_beside_each_other(tmp_path):
    """What is scanned: one item for a folder of numbered pictures, one for each file, none for unrelated pictures."""
    save_pictures(tmp_path / "cat" / "take1", levels(3))
    save(tmp_path / "cat" / "take2.mp4", levels(6))
    save_gif(tmp_path / "dog" / "take3.gif", list(levels(4)))
    for name in ("poster.png", "cover.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "dog" / name)
    items = modality().scan(tmp_path)
    assert [(item.path.name, item.columns["class"]) for item in items] == [
        ("take1", "cat"),
        ("take2.mp4", "cat"),
        ("take3.gif", "dog"),
    ]
    assert [len(read(item.path, fps=10)) for item in items] == [3, 6, 4]
