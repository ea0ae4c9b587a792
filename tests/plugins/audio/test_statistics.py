"""Numbers of recordings: each is what its name says of a sound that is made for it."""

from __future__ import annotations

import numpy as np
import pytest

from difftool import Description, NoOptions
from difftool_audio.doctor import _is_empty_above
from difftool_audio.statistics import Sound

RATE = 8000
TIME = np.arange(RATE) / RATE


def of(*sounds: np.ndarray, data: tuple[np.ndarray, ...] = ()) -> dict[str, float]:
    about = Description((1, None), "int16", 9, extra={"rate": RATE})
    ours, theirs = ([raw(one) for one in some] for some in (sounds, data))
    return Sound(NoOptions(), about).measure(ours, theirs)


def raw(x: np.ndarray) -> np.ndarray:
    return (x * 32767).clip(-32767, 32767).round().astype(np.int16)[None]


def tone(hertz: float, size: float = 0.5) -> np.ndarray:
    return size * np.sin(2 * np.pi * hertz * TIME)


def test_a_tone_has_its_loudness_and_its_frequency_and_no_fault():
    found = of(tone(1000))
    assert found["loudness_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found["centroid_hz"] == pytest.approx(1000, rel=0.01)
    faults = ("dc", "clicks_per_second", "clipped", "silence")
    assert [found[name] for name in faults] == pytest.approx([0, 0, 0, 0], abs=1e-4)


def test_each_fault_is_seen_by_its_own_number():
    clean = tone(300)
    assert of(clean + 0.1)["dc"] == pytest.approx(0.1, abs=1e-3)
    assert of(9 * clean)["clipped"] > 0.5
    half = np.where(TIME < 0.5, 0, clean)
    assert of(half)["silence"] == pytest.approx(0.5, abs=0.05)
    clicked = clean.copy()
    clicked[[1000, 3000, 5000]] += 0.4
    assert of(clicked)["clicks_per_second"] == 3
    noise = 0.2 * np.random.default_rng(0).normal(size=RATE)
    assert of(noise)["clicks_per_second"] == 0, "a hiss is no click"
    assert np.isnan(of(0 * clean)["loudness_db"])


def test_the_spectrum_is_that_of_the_data_however_loud():
    rng = np.random.default_rng(0)
    white = [0.1 * rng.normal(size=RATE) for _ in range(4)]
    dull = [np.convolve(one, np.ones(8) / 8, "same") for one in white]
    assert of(*white[:2], data=tuple(0.3 * one for one in white[2:]))["spectrum_db"] < 1.5
    assert of(*dull[:2], data=tuple(white[2:]))["spectrum_db"] > 5


def test_a_pure_tone_is_no_sound_of_a_lower_rate_and_converted_noise_is():
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(0.1 * rng.normal(size=RATE))
    spectrum[len(spectrum) // 2 :] = 0
    assert _is_empty_above(raw(np.fft.irfft(spectrum, RATE)))
    assert not _is_empty_above(raw(tone(440)))
    assert not _is_empty_above(raw(0.1 * rng.normal(size=RATE)))
