"""What ``data check`` says of a folder of videos."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from difftool.data.inspect import inspect
from difftool_video.check import VideoInspection

from .conftest import (
    HEIGHT,
    WIDTH,
    levels,
    modality,
    moving,
    save,
    save_gif,
    save_pictures,
    save_sound,
)


def report(folder, **options) -> dict[str, str]:
    """All texts of a level, a line each."""
    one, found = modality(**options), {}
    for finding in inspect("video", one, one.scan(folder), VideoInspection):
        found[finding.level] = f"{found.get(finding.level, '')}{finding.text}\n"
    return found


def complaints(folder, **options) -> str:
    found = report(folder, **options)
    return "".join(found.get(level, "") for level in ("note", "warning", "error"))


def test_a_sound_folder(folder):
    found = report(folder)
    assert set(found) == {"ok"}, found
    for words in (
        "10 files",
        "all of them can be used",
        "sizes, height x width: 24x32 (10); trained at 24x32",
        "rates: 10 frames/s (10); trained at 10 frames/s",
        "lengths from 12 to 12 frames, median 12, 12 s in all; trained on 12 at a time (1.2 s)",
        "stored as rgb (10); trained as rgb",
        "something moves in all of them",
        "no duplicates",
        "column class: 2 classes, 5 of each",
        f"to train: difftool train -m video {folder} --recipe tiny",
    ):
        assert words in found["ok"], (words, found)


def test_every_bad_file_is_named(folder):
    (folder / "empty.mp4").touch()
    (folder / "page.webm").write_text("404 not found")
    save_sound(folder / "sound.mp4")
    save(folder / "one.mp4", levels(1))
    whole = save(folder / "cut.mp4", moving()).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    save_pictures(folder / "odd", levels(3))
    save_pictures(folder / "odd", levels(1, 8, 8), first=4)
    text = complaints(folder)
    assert "6 (37.5%) would be skipped" in text
    for words in (
        "empty.mp4 is empty",
        "page.webm is text",
        "sound.mp4 holds sound and no video",
        "one.mp4 has",
        "cut.mp4 is cut short",
    ):
        assert words in text, words
    assert "frame_0004.png is 8x8, and frame_0001.png is 24x32" in text


def test_nothing_that_can_be_used(tmp_path):
    (tmp_path / "a.mp4").touch()
    found = report(tmp_path, size=16, fps=8, frames=4, channels="rgb")
    assert "None of them can be used" in found["error"]
    assert "a.mp4 is empty" in report(tmp_path)["error"]


def test_one_long_video_is_enough(tmp_path):
    save(tmp_path / "a.mp4", moving(40))
    assert "error" not in report(tmp_path)
    assert "Only one example can be used" in report(tmp_path, frames=40)["error"]


def test_sizes(folder):
    assert "smaller than 48x48 and enlarged: 10 (cat/0.mp4" in complaints(folder, size=48)
    assert "10 lose over a quarter of their area to cropping" in complaints(folder, size=(24, 8))
    assert "cropping" not in complaints(folder, size=(24, 8), resize="pad")
    assert "An MP4 has even sides" in complaints(folder, size=(13, 16))


def test_rates(folder):
    save(folder / "slow.mp4", moving(6), 4)
    text = complaints(folder)
    assert "slower than 10 frames/s: 1 (" in text
    assert "--fps 4" in text
    assert "recorded at 4 frames per second: frames repeat to make 10" in text


def test_a_variable_rate(folder):
    save(folder / "variable.mp4", moving(8), times=[0, 100, 200, 800, 900, 1700, 1800, 1900])
    assert "variable.mp4): its rate varies" in complaints(folder)


def test_lengths(folder):
    text = complaints(folder, frames=64)
    assert "81% of what is trained on would be padding" in text
    assert "--frames 12" in text


def test_colour(tmp_path):
    for k in range(3):
        save(tmp_path / f"{k}.mkv", np.roll(levels(12), k, 0), pix_fmt="bgr0")
    assert "--channels grey trains faster" in complaints(tmp_path, channels="rgb")
    assert "--channels grey" not in complaints(tmp_path)


def test_what_does_not_move(folder):
    save(folder / "still.mkv", np.repeat(moving(1), 12, 0), pix_fmt="bgr0")
    assert "nothing moves: 1 (" in complaints(folder)
    assert "still.mkv" in complaints(folder)


def test_what_is_used_though_not_whole(folder):
    noise = np.random.default_rng(0).integers(0, 256, (40, HEIGHT, WIDTH, 3), np.uint8)
    for divisor in (2, 3):
        path = save(folder / f"{divisor}.mkv", noise, pix_fmt="bgr0")
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // divisor])
    warning = report(folder)["warning"]
    assert (
        warning.count("cut short: its header promises 4.00 s") == 1
    )  # each kind once, whatever the numbers in it
    assert "2.mkv" in warning
    assert "3.mkv" in warning


def test_transparency(folder):
    frames = [np.zeros((HEIGHT, WIDTH, 4), np.uint8) for _ in range(6)]
    for k, frame in enumerate(frames):
        frame[4:20, 3 * k : 3 * k + 12] = (200, 80, 0, 255)
    save_gif(folder / "a.gif", frames)
    assert "a.gif): transparent in places: black shows through" in complaints(folder)


def test_copies_are_found(folder):
    shutil.copy(folder / "cat" / "0.mp4", folder / "dog" / "copy.mp4")
    text = complaints(folder)
    assert "1 are copies of others (cat/0.mp4 = dog/copy.mp4)" in text
    assert "in several classes at once" in text


@pytest.mark.parametrize("missing", [1, 3])
def test_gaps_in_numbers(folder, missing):
    save_pictures(folder / "numbered", moving(10))
    for k in range(missing):
        (folder / "numbered" / f"frame_000{3 + k}.png").unlink()
    assert "after 2: there the clip jumps" in complaints(folder)


def test_folders_that_are_taken_for_clips_are_reported(folder):
    save_pictures(folder / "cat" / "holiday", moving(seed=20), name="IMG_{:04d}.png")
    assert "each folder of them taken for one clip: 1 (cat/holiday)" in complaints(folder)
