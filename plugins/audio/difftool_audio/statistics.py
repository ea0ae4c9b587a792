"""sound: offset, loudness, clicks, clipping, silence and spectrum of recordings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difftool import Statistics

FULL = 32768
"""Full scale of the raw units."""

FAINT = -60.0
"""dB of full scale below which a window is silent."""

WINDOW = 0.05
"""Seconds of a window that may be silent."""

CUT_OFF = 0.999
"""Of full scale, from which on a sample counts as cut off."""

CLICK, STEP = 12.0, 0.02
"""A click is a jump of the slope so many times as large as usual around it, and at least so much of
full scale.
"""

BANDS = 24
"""Bands of the spectrum, each a constant number of octaves wide."""

LOWEST = 60.0
"""Hertz at which the lowest band begins."""


class Sound(Statistics):
    """Numbers of int16 ``[c, n]``."""

    @property
    def rate(self) -> int:
        """Samples per second."""
        return int(self.description.extra["rate"])

    def of_example(self, example: np.ndarray) -> dict[str, float]:
        """``dc``, the offset of the mean as a share of full scale; ``loudness_db``, root mean
        square in dB of full scale; ``clicks_per_second``; ``clipped``, the share of samples at full
        scale; ``silence``, the share of windows below -60 dB; and ``centroid_hz``, the mean
        frequency, weighted by power.
        """
        x = example.astype(np.float64) / FULL
        power = float(np.square(x).mean())
        return {
            "dc": float(np.abs(x.mean(1)).max()),
            "loudness_db": 10 * np.log10(power) if power > 0 else float("nan"),
            "clicks_per_second": clicks(x) * self.rate / x.shape[1],
            "clipped": float((np.abs(x) >= CUT_OFF).mean()),
            "silence": _silence(x, max(1, round(WINDOW * self.rate))),
            "centroid_hz": _centroid(x, self.rate),
        }

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """The means, and beside data ``spectrum_db``: the mean distance, over octave bands, of the
        average spectrum from the data's. Both are taken as equally loud.
        """
        found = super().measure(examples, data)
        if not data:
            return found
        ours, theirs = (spectrum(some, self.rate) for some in (examples, data))
        return {**found, "spectrum_db": float(np.nanmean(np.abs(ours - theirs)))}


def clicks(x: np.ndarray) -> int:
    """The number of samples of ``[c, n]`` at which the slope jumps far more than around them."""
    jumps = np.abs(np.diff(x, 2, axis=1)).max(0)
    if not len(jumps):
        return 0
    width = min(len(jumps), 129)
    # the mean around a place, without the three samples that a click itself reaches
    around = np.convolve(jumps, np.ones(width), "same") - np.convolve(jumps, np.ones(5), "same")
    usual = np.maximum(around, 0) / max(1, width - 5)
    loud = (jumps > CLICK * usual) & (jumps > STEP)
    return int((np.diff(loud.astype(int), prepend=0) == 1).sum())


def _silence(x: np.ndarray, window: int) -> float:
    whole = x.shape[1] // window * window
    if not whole:
        return float("nan")
    power = np.square(x[:, :whole]).mean(0).reshape(-1, window).mean(1)
    return float((power < 10 ** (FAINT / 10)).mean())


def _centroid(x: np.ndarray, rate: int) -> float:
    power = np.square(np.abs(np.fft.rfft(x, axis=1))).mean(0)
    total = power[1:].sum()
    at = np.fft.rfftfreq(x.shape[1], 1 / rate)
    return float((power[1:] * at[1:]).sum() / total) if total > 0 else float("nan")


def spectrum(examples: Sequence[np.ndarray], rate: int) -> np.ndarray:
    """``[bands]``: the mean power of recordings in each band, in dB of that of all; NaN where a
    band is narrower than the lines of their spectra.
    """
    edges = np.geomspace(LOWEST, rate / 2, BANDS + 1)
    total, count = np.zeros(BANDS), np.zeros(BANDS)
    for one in examples:
        power = np.square(np.abs(np.fft.rfft(one.astype(np.float64) / FULL, axis=1))).mean(0)
        at = np.searchsorted(edges, np.fft.rfftfreq(one.shape[1], 1 / rate), "right") - 1
        inside = (at >= 0) & (at < BANDS)
        total += np.bincount(at[inside], power[inside] / one.shape[1], BANDS)
        count += np.bincount(at[inside], minlength=BANDS) > 0
    power = np.where(count > 0, total, np.nan)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.maximum(power / max(np.nansum(power), 1e-30), 1e-9))
