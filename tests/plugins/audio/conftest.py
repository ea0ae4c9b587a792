"""Small sounds, in memory and on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from difftool import Item
from difftool_audio.modality import AudioModality
from difftool_audio.options import AudioOptions

RATE = 16_000


def tone(
    seconds: float = 0.5,
    rate: int = RATE,
    hz: float | Sequence[float] = 440.0,
    channels: int = 1,
    level: float = 0.4,
) -> np.ndarray:
    """float32 ``[channels, n]``: a sine, or one of its own for every channel."""
    pitches = np.broadcast_to(np.atleast_1d(np.asarray(hz, float)), (channels,))
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * pitches[:, None] * time)).astype(np.float32)


def save(path: Path, x: np.ndarray, rate: int = RATE, **kind: str) -> Path:
    """``[c, n]`` to a file of the suffix's kind, or of ``format`` and ``subtype``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x.T, rate, **kind)
    return path


def write_tone(
    path: Path,
    seconds: float = 0.5,
    rate: int = RATE,
    hz: float | Sequence[float] = 440.0,
    channels: int = 1,
    level: float = 0.4,
) -> Path:
    return save(path, tone(seconds, rate, hz, channels, level), rate)


def modality(**options) -> AudioModality:
    return AudioModality(AudioOptions(**options))


def read(path: Path, **options) -> np.ndarray:
    """One file at its own rate, unless told otherwise."""
    one, item = modality(**options), Item(path)
    return one.fit([item]).read(item)


@pytest.fixture
def folder(tmp_path):
    """Two classes of five tones of half a second."""
    for i in range(5):
        write_tone(tmp_path / "low" / f"{i}.wav", hz=200 + 7 * i)
        write_tone(tmp_path / "high" / f"{i}.wav", hz=900 + 7 * i)
    return tmp_path
