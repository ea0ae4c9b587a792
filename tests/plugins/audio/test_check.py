"""What ``data check`` says of a folder of recordings."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from difftool.data.inspect import inspect
from difftool_audio.check import AudioInspection, Ear

from .conftest import RATE, modality, save, tone, write_tone

SECOND = RATE


def report(folder, **options) -> dict[str, str]:
    """All texts of a level, a line each."""
    one, found = modality(**options), {}
    for finding in inspect("audio", one, one.scan(folder), AudioInspection):
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
        "rates: 16,000 Hz (10); trained at 16,000 Hz",
        "lengths from 0.5 s to 0.5 s, median 0.5 s, 5 s in all; trained on 0.5 s at a time",
        "channels: mono (10); trained as mono",
        "loudness (RMS) from -11 to -11 dB of full scale",
        "no clipping; the highest peak is at -8.0 dB",
        "no constant offset (DC)",
        "0% of the sound is silence",
        "no duplicates",
        "column class: 2 classes, 5 of each",
        f"to train: difftool train -m audio {folder} --recipe tiny",
    ):
        assert words in found["ok"], (words, found)


@pytest.mark.parametrize("good", [6, 80])
def test_every_bad_file_is_named(folder, good):
    """The good ones are left as they are, however few."""
    for i in range(good):
        write_tone(folder / "low" / f"more{i}.wav", hz=400 + i)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("404 not found")
    whole = save(
        folder / "cut.flac", np.random.default_rng(0).normal(0, 0.1, (1, SECOND))
    ).read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    save(folder / "silent.wav", np.zeros((1, SECOND)))
    write_tone(folder / "short.wav", seconds=0.01)
    save(folder / "nan.wav", np.where(np.arange(SECOND) == 9, np.nan, tone(1.0)), subtype="FLOAT")
    write_tone(folder / "telephone.wav", rate=8000)
    write_tone(folder / "surround.wav", channels=6)
    found = report(folder)
    skipped = found["warning"]
    assert "6 (" in skipped
    for words in (
        "empty.wav is empty (0 bytes)",
        "text.wav is text",
        "cut.flac is cut short or damaged",
        "silent.wav is silent throughout",
        "short.wav lasts 0.010 s",
        "nan.wav holds samples that are not numbers",
    ):
        assert words in skipped, (words, skipped)
    assert "far lower rate: 1 (" in found["warning"]
    assert "telephone.wav" in found["warning"]
    assert "mixed down: 1 (" in found["note"]
    assert "surround.wav" in found["note"]
    assert "to train:" in found["ok"]


def test_a_folder_of_nothing_usable(tmp_path):
    (tmp_path / "a.wav").touch()
    assert "0 bytes" in report(tmp_path)["error"]
    save(tmp_path / "b.wav", np.zeros((1, SECOND)))
    assert "None of them can be used" in report(tmp_path)["error"]


def test_clipping(folder):
    save(folder / "high" / "clipped.wav", tone(level=2.0).clip(-1, 1))
    save(folder / "low" / "eight.wav", tone(level=2.0).clip(-1, 1), subtype="PCM_U8")
    found = complaints(folder)
    assert "clipped: 2 (" in found
    assert "high/clipped.wav" in found
    assert "low/eight.wav" in found
    assert "runs of three or more" in found


def test_a_loud_sound_that_is_not_cut_off_is_not_clipped(folder):
    save(folder / "high" / "loud.wav", tone(level=0.9999))
    assert "clipped" not in complaints(folder)
    save(folder / "high" / "louder.wav", tone(level=3.0), subtype="FLOAT")
    text = complaints(folder)
    assert "far above full scale, so turned down to fit: 1 (high/louder.wav)" in text
    assert text.count("turned down") == 1


def test_a_constant_offset(folder):
    save(folder / "high" / "dc.wav", tone() + 0.1)
    found = complaints(folder)
    assert "a constant offset (DC) of up to 10.0% of full scale: 1 (high/dc.wav)" in found


def test_silence(folder):
    save(folder / "high" / "pauses.wav", np.concatenate((tone(1.0), np.zeros((1, 9 * SECOND))), 1))
    found = complaints(folder)
    assert "60% of the sound is silence. To cut it off at both ends: --silence trim." in found
    save(folder / "high" / "silent.wav", np.zeros((1, SECOND)))
    assert "silent throughout: 1 (high/silent.wav)" in complaints(folder, silence="keep")
    save(folder / "high" / "turned.wav", np.concatenate([tone(), -tone()]))
    found = complaints(folder, silence="keep")
    assert "silent throughout: 1 (high/silent.wav)" in found
    assert "nearly nothing left in mono: 1 (high/turned.wav)" in found


def test_loudness(folder):
    save(folder / "high" / "faint.wav", tone(level=0.01))
    found = report(folder)
    assert "loudness (RMS) from -43 to -11 dB of full scale, median -11" in found["ok"]
    assert "over 20 dB quieter than most: 1 (high/faint.wav)" in found["warning"]


def test_copies_are_found_by_their_sound_whatever_file_they_are_in(folder):
    x = (tone(hz=777) * 32767).astype(np.int16)
    save(folder / "high" / "a.wav", x)
    save(folder / "high" / "b.flac", x)
    shutil.copy(folder / "low" / "0.wav", folder / "high" / "c.wav")
    found = complaints(folder)
    assert "2 are copies of others" in found
    assert "high/a.wav = high/b.flac" in found
    assert "1 of these is in several classes" in found


def test_channels(folder):
    for i in range(10):
        write_tone(folder / "pairs" / f"{i}.wav", hz=600 + i, channels=2)
    assert (
        "Both channels are the same in all of them: --channels mono"
        in report(folder, channels="stereo")["note"]
    )
    write_tone(folder / "pairs" / "wide.wav", hz=(600, 650), channels=2)
    assert "Both channels" not in complaints(folder, channels="stereo")
    mono = tone()
    save(folder / "pairs" / "opposite.wav", np.concatenate((mono, -0.9 * mono)))
    assert "nearly nothing left in mono: 1 (pairs/opposite.wav)" in complaints(folder)
    assert "opposite" not in complaints(folder, channels="stereo")


def test_lengths(folder):
    for i in range(3):
        write_tone(folder / "low" / f"long{i}.wav", seconds=2.5, hz=500 + i)
    assert "padding, since most recordings are shorter than 2 s." in report(folder)["note"]
    found = report(folder, seconds=0.1)
    assert "note" not in found
    for i in range(20):
        write_tone(folder / "low" / f"longer{i}.wav", seconds=1.5, hz=300 + i)
    assert "learnt as such: --timing." in report(folder, seconds=0.1)["note"]
    assert "note" not in report(folder, seconds=0.1, timing=True)


def test_most_of_it_padding_says_what_length_would_do(tmp_path):
    for i in range(30):
        write_tone(tmp_path / f"{i}.wav", seconds=0.3 if i else 1.9, hz=300 + i)
    assert "Faster: --seconds 0.3." in report(tmp_path)["note"]


def test_music_is_led_to_the_recipe_for_it(tmp_path):
    for i in range(3):
        write_tone(tmp_path / f"{i}.wav", rate=44_100, hz=(300 + i, 400), channels=2)
    assert "music-48k-stereo" in report(tmp_path, channels="stereo")["ok"]


@pytest.mark.parametrize("size", [7, 100, 8000])
def test_an_ear_hears_the_same_in_blocks_of_any_size(size):
    x = (tone(hz=(300, 310), channels=2, level=1.3).clip(-1, 1) + 0.0).T.astype(np.float32)
    whole, parts = Ear(), Ear()
    whole(x)
    for start in range(0, len(x), size):
        parts(x[start : start + size])
    assert parts.frames == whole.frames == 8000
    assert parts.peak == whole.peak == 1.0
    assert parts.alike is whole.alike is False
    assert (
        parts.squares
        == pytest.approx(whole.squares)
        == pytest.approx(float((x.astype(float) ** 2).sum() / 2))
    )
    assert parts.mixed == pytest.approx(whole.mixed)
    if size > 50:
        assert parts.flat == pytest.approx(whole.flat, rel=0.1)


def test_an_ear_counts_runs():
    x = np.zeros((30, 1), np.float32)
    x[[2, 3, 10, 11, 12, 20, 21, 22, 23]] = 1.0  # two, which may be chance, then three, then four
    ear = Ear()
    ear(x)
    assert (ear.runs, ear.flat) == (2, 7)
