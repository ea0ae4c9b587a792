"""The sheet: where things stand in it, what scales they share, and that it is quick."""

from __future__ import annotations

import io
import time
import warnings

import numpy as np
import pytest
from matplotlib import image

from difftool_audio import sheet as module
from difftool_audio.sheet import sheet

RATE = 16_000


def sine(
    hz: float, seconds: float = 0.5, level: float = 0.5, rate: int = RATE, channels: int = 1
) -> np.ndarray:
    """int16 ``[channels, n]``."""
    x = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(np.round(x * 32767).astype(np.int16)[None], channels, 0)


def picture(*args) -> np.ndarray:
    """The PNG as uint8 ``[h, w, 3]``."""
    return (
        (image.imread(io.BytesIO(sheet(*args)), format="png")[..., :3] * 255)
        .round()
        .astype(np.uint8)
    )


def cells(
    examples: list[np.ndarray], rate: int = RATE, titled: bool = False
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The waveform and the spectrogram of every cell, cut out of a sheet."""
    plan = module._plan(examples, rate, titled)
    pixels = picture(examples, rate, ["title"] * len(examples) if titled else ())
    assert pixels.shape[:2] == plan.total[::-1]
    found = []
    for i in range(len(examples)):
        left, upper = plan.corner(i)
        below = upper + plan.wave + 2
        found.append(
            (
                pixels[upper : upper + plan.wave, left : left + plan.width],
                pixels[below : below + plan.tall, left : left + plan.width],
            )
        )
    return found


def ink(wave: np.ndarray) -> np.ndarray:
    """``[h, w]``: how far from paper."""
    return 255 - wave.min(-1).astype(int)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 12, 64])
def test_every_sound_has_a_cell(n):
    for wave, spectrum in cells([sine(200 + 50 * i, 0.1) for i in range(n)]):
        assert (ink(wave) > 40).any(0).all()
        assert spectrum.max() > 200


@pytest.mark.parametrize("hz", [300, 1000, 3000, 6000])
def test_a_tone_is_bright_at_its_place_on_the_mel_scale(hz):
    ((_, spectrum),) = cells([sine(hz)])
    row = spectrum.astype(int).sum((1, 2)).argmax()
    expected = len(spectrum) * (1 - module._mel(hz) / module._mel(RATE / 2))
    assert abs(row + 0.5 - expected) <= 2


def test_twice_as_loud_is_twice_as_high_and_brighter():
    (soft, dim), (loud, bright) = cells([sine(500, level=0.25), sine(500, level=0.5)])
    heights = [(ink(wave) > 60).any(1).sum() for wave in (soft, loud)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=3)
    assert heights[1] == pytest.approx(len(loud), abs=2)
    assert bright.astype(int).sum() > dim.astype(int).sum()


def test_half_as_long_is_half_as_wide():
    for part in zip(*cells([sine(500, 0.5), sine(500, 0.25)]), strict=True):
        long, short = ((picture != 255).any((0, 2)).sum() for picture in part)
        assert short == pytest.approx(long / 2, abs=1)


def test_decibels_are_of_full_scale():
    """A sine of amplitude 0.5 stands at -6 dB where no band is wider than its peak."""
    example = sine(400, level=0.5)
    assert module._decibels(
        example, RATE, module._plan([example], RATE, False)
    ).max() == pytest.approx(-6.02, abs=1.5)


def test_both_channels_are_shown():
    stereo = np.concatenate([sine(300), np.zeros_like(sine(300))])
    ((wave, spectrum),) = cells([stereo])
    upper, lower = np.array_split(ink(wave), 2)
    assert (upper > 60).any(1).mean() > 0.8
    assert (lower > 60).any(1).mean() < 0.2
    assert np.array_equal(spectrum, cells([stereo[::-1]])[0][1])


def test_opposite_channels_do_not_cancel():
    one = sine(300)
    assert np.array_equal(
        cells([np.concatenate([one, -one])])[0][1], cells([np.concatenate([one, one])])[0][1]
    )


def test_full_scale_is_red():
    quiet, clipped = (cells([sine(300, level=level)])[0][0].astype(int) for level in (0.9, 1.0))
    reds = [(wave[..., 0] - wave[..., 2] > 80).sum() for wave in (quiet, clipped)]
    assert reds[0] == 0
    assert reds[1] > 50


@pytest.mark.parametrize(
    "example",
    [
        np.zeros((1, 8000), np.int16),
        np.zeros((2, 1), np.int16),
        sine(300, 0.001),
        sine(300, 30),
        np.full((1, 99), -32768, np.int16),
    ],
)
def test_odd_sounds_are_drawn(example):
    for wave, spectrum in cells([example, sine(300)]):
        assert wave.shape[1] == spectrum.shape[1]
    assert len(sheet([example], RATE)) > 100


@pytest.mark.parametrize("rate", [1000, 44_100, 192_000])
def test_any_rate(rate):
    ((_, spectrum),) = cells([sine(rate / 8, rate=rate)], rate)
    expected = len(spectrum) * (1 - module._mel(rate / 8) / module._mel(rate / 2))
    assert abs(spectrum.astype(int).sum((1, 2)).argmax() + 0.5 - expected) <= 2


@pytest.mark.parametrize(
    "title",
    ["$x_1$ \\frac", "a very long title " * 20, "two\nlines\t", "二 \x00 é", "", "50 % of {them}"],
)
def test_any_title_stays_in_its_place(title):
    """It warns of nothing, and what it covers is neither its own cell nor the next one's title."""
    examples = [sine(300), sine(300)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_title = picture(examples, RATE, [title, ""])
    without = picture(examples, RATE, [" ", "."])
    plan = module._plan(examples, RATE, bool(title))
    if title:
        rows, columns = np.nonzero((with_title != without).any(2)[:, : plan.corner(1)[0] - 2])
        assert len(rows) > 10
        assert rows.max() < plan.corner(0)[1]
        assert columns.max() <= plan.corner(0)[0] + plan.width + 2


def test_the_same_sounds_are_the_same_bytes():
    assert sheet([sine(300)], RATE, ["a"]) == sheet([sine(300)], RATE, ["a"])


def test_sheets_stay_of_a_size_to_look_at():
    examples = [np.zeros((1, 100), np.int16)] * 900
    assert max(module._plan(examples, RATE, True).total) <= 4200


@pytest.mark.slow
def test_sixty_four_sounds_take_about_a_second():
    examples = [
        np.random.default_rng(i).integers(-3000, 3000, (1, RATE), np.int16) for i in range(64)
    ]
    sheet(examples[:1], RATE, ["fonts are looked for once"])
    start = time.process_time()
    sheet(examples, RATE, ["title"] * 64)
    assert time.process_time() - start < 4
