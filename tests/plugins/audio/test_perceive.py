"""What a judge hears of a sound: its bands over time."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_audio.modality import JUDGED_BANDS, AudioModality
from difftool_audio.options import AudioOptions

RATE = 16000


def tone(hertz: float, channels: int = 1) -> np.ndarray:
    wave = 8000 * np.sin(2 * np.pi * hertz * np.arange(RATE // 2) / RATE)
    return np.tile(wave.round().astype(np.int16), (channels, 1))


@pytest.mark.parametrize("channels", [1, 2])
def test_a_higher_tone_is_in_a_higher_band(channels):
    modality = AudioModality(AudioOptions(rate=RATE, seconds=0.5))
    low, high = (modality.perceive(tone(hertz, channels)) for hertz in (300.0, 3000.0))
    assert low.shape == high.shape
    assert low.shape[:2] == (channels, JUDGED_BANDS)
    loudest = [one.mean((0, 2)).argmax() for one in (low, high)]
    assert loudest[1] > loudest[0] + 5
