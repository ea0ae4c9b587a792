"""The demo notes: what they are labelled with is what is heard."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile

from difftool import scan_folder
from difftool_audio.demo import HIGH, LOW, RATE, SECONDS, TIMBRES, notes, write_demo

from .pitch import pitch

MANY = 32


@pytest.fixture(scope="module", params=TIMBRES)
def some(request) -> tuple[np.ndarray, np.ndarray]:
    """Sounds of full scale ``[count, n]`` and their pitches."""
    sound, hz = notes(request.param, MANY)
    assert sound.dtype == np.int16
    return sound[:, 0] / 32768, hz


def test_notes_sound_at_their_pitch(some):
    sound, hz = some
    found = np.array([pitch(x, RATE) for x in sound])
    assert np.mean(np.abs(found / hz - 1) < 0.01) > 0.97


def test_pitches_are_spread_over_two_octaves(some):
    octaves = np.log2(some[1] / LOW)
    assert octaves.min() >= 0
    assert octaves.max() <= np.log2(HIGH / LOW)
    assert np.histogram(octaves, 4, (0, 2))[0].min() >= MANY / 16


def test_levels_vary_without_clipping_and_without_an_offset(some):
    peak = np.abs(some[0]).max(1)
    assert peak.min() >= 0.299
    assert peak.max() <= 0.901
    assert peak.std() > 0.1
    assert np.abs(some[0].mean(1)).max() < 1e-3


def test_notes_neither_click_nor_are_cut_off(some):
    assert np.abs(some[0][:, [0, -1]]).max() < 1e-3


def test_nothing_is_near_half_the_rate(some):
    """Partials that would fold back were left out."""
    power = np.abs(np.fft.rfft(some[0] * np.hanning(some[0].shape[1]))) ** 2
    above = np.fft.rfftfreq(some[0].shape[1], 1 / RATE) > 7_900
    assert power[:, above].sum() < 1e-5 * power.sum()


def test_envelopes_vary(some):
    """Shapes of the level over 20 parts of a note."""
    shape = np.sqrt((some[0].reshape(MANY, 20, -1) ** 2).mean(2))
    shape /= np.linalg.norm(shape, axis=1, keepdims=True)
    assert 1e-3 < 1 - (shape @ shape.mean(0) / np.linalg.norm(shape.mean(0))).min() < 0.5


def test_timbres_are_told_apart_by_ear():
    """A note's loudness over harmonics and over time names its timbre: the nearest mean of the others, in most cases."""
    features = {name: _features(*notes(name, MANY)) for name in TIMBRES}
    means = {name: x[::2].mean(0) for name, x in features.items()}
    right = [
        min(means, key=lambda m: np.linalg.norm(x - means[m])) == name
        for name, xs in features.items()
        for x in xs[1::2]
    ]
    assert np.mean(right) > 0.85


def _features(sound: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """dB of eight harmonics, and of ten parts of the note, relative to the greatest."""
    n = sound.shape[-1]
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(n)))
    harmonics = [
        [x[round(k * f * n / RATE) - 8 : round(k * f * n / RATE) + 9].max() for k in range(1, 9)]
        for x, f in zip(spectrum, hz, strict=True)
    ]
    parts = np.sqrt((sound[:, 0].reshape(len(sound), 10, -1).astype(float) ** 2).mean(2))
    return np.concatenate([_relative(np.asarray(harmonics)), _relative(parts)], 1)


def _relative(x: np.ndarray) -> np.ndarray:
    return 20 * np.log10(np.maximum(x / x.max(1, keepdims=True), 1e-3))


def test_the_folder_is_read_with_timbre_and_pitch(tmp_path):
    write_demo(tmp_path, 3)
    items = scan_folder(tmp_path, (".wav",))
    assert len(items) == 3 * len(TIMBRES)
    assert {item.columns["class"] for item in items} == set(TIMBRES)
    with open(tmp_path / "metadata.csv", encoding="utf-8") as file:
        asked = {row["file_name"]: float(row["pitch"]) for row in csv.DictReader(file)}
    for item in items:
        assert item.columns["pitch"] == asked[item.path.relative_to(tmp_path).as_posix()]
        info = soundfile.info(item.path)
        assert (info.samplerate, info.channels, info.frames, info.subtype) == (
            RATE,
            1,
            RATE * SECONDS,
            "PCM_16",
        )


def test_the_set_is_the_same_every_time(tmp_path):
    for name in "ab":
        write_demo(tmp_path / name, 2)
    ours, theirs = (
        sorted(p.relative_to(tmp_path / name) for p in (tmp_path / name).rglob("*"))
        for name in "ab"
    )
    assert ours == theirs
    assert all(
        (tmp_path / "a" / p).read_bytes() == (tmp_path / "b" / p).read_bytes()
        for p in ours
        if p.suffix
    )


def test_no_note_is_there_twice():
    sounds = np.concatenate([notes(name, MANY)[0] for name in TIMBRES])
    assert len({x.tobytes() for x in sounds}) == MANY * len(TIMBRES)
