"""The whole of it on sound, by the command line: notes of an asked pitch, from the built-in set to samples that are measured."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from plugins.audio.pitch import pitch

pytestmark = pytest.mark.heavy

STEPS = 500
"""Fewer than half the demo's: on a slow core ten minutes."""


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "difftool", *words], check=True)


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """For each sample the sound, float ``[n]``, its rate, and the pitch that was asked for."""
    home = tmp_path_factory.mktemp("notes")
    run("demo", "-m", "audio", "--run", str(home / "run"), "--steps", str(STEPS), "-n", "96")
    folder = home / "run" / "samples" / "1"
    with open(folder / "metadata.csv", newline="", encoding="utf-8") as file:
        return [
            (*soundfile.read(folder / row["file_name"]), float(row["pitch"]))
            for row in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The set that was trained on, as sounds."""
    from difftool_audio.demo import write_demo

    folder: Path = tmp_path_factory.mktemp("real")
    write_demo(folder, count=30)
    return [soundfile.read(path)[0] for path in sorted(folder.rglob("*.wav"))]


def test_most_notes_have_the_pitch_that_was_asked_for(notes):
    heard = np.array([pitch(sound, rate) / asked for sound, rate, asked in notes])
    near, right = (float((np.abs(heard - 1) < share).mean()) for share in (0.06, 0.03))
    print(f"within a semitone: {near:.3f}, within 3 %: {right:.3f}")
    assert near > 0.6  # of random pitches in these two octaves, one in twelve is
    assert right > 0.35  # and one in twenty-three; with the demo's own number of steps it is most


def test_they_are_as_loud_as_the_data_and_never_clipped(notes, real):
    def decibels(sounds) -> float:
        return 10 * np.log10(np.mean([np.mean(sound**2) for sound in sounds]))

    sounds = [sound for sound, _, _ in notes]
    print(f"level {decibels(sounds):.2f} dB, of the data {decibels(real):.2f} dB")
    assert abs(decibels(sounds) - decibels(real)) < 3
    assert max(np.abs(sound).max() for sound in sounds) < 1
    assert max(abs(sound.mean()) for sound in sounds) < 0.005
