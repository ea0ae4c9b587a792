"""The fundamental of a note, by YIN (de Cheveigné and Kawahara 2002)."""

from __future__ import annotations

import numpy as np

LOWEST, HIGHEST = 90.0, 1800.0
FRAME, HOP = 0.128, 0.032  # seconds
THRESHOLD = 0.15


def pitch(x: np.ndarray, rate: int) -> float:
    """Hz of a sound ``[n]``, or NaN where nothing in it is periodic: the median over the frames that are neither faint nor noise."""
    frame, hop = int(FRAME * rate), int(HOP * rate)
    x = np.pad(np.asarray(x, float), (0, max(0, frame - len(x))))
    frames = [x[start : start + frame] for start in range(0, len(x) - frame + 1, hop)]
    power = np.array([np.mean(part**2) for part in frames])
    loud = [
        part for part, p in zip(frames, power, strict=True) if p > 0 and p >= power.max() * 10**-2.5
    ]
    found = [hz for hz, clarity in (yin(part, rate) for part in loud) if clarity > 0.5]
    return float(np.median(found)) if found else float("nan")


def yin(x: np.ndarray, rate: int) -> tuple[float, float]:
    """Hz of one frame, and how periodic it is: 1 for entirely."""
    d = _difference(x, int(rate / LOWEST) + 2)
    normal = d * np.arange(len(d)) / np.maximum(np.cumsum(d), 1e-20)  # Eq. 8
    first = max(2, int(rate / HIGHEST))
    dips = [t for t in range(first, len(d) - 1) if normal[t - 1] >= normal[t] < normal[t + 1]]
    if not dips:
        return float("nan"), 0.0
    lag = next((t for t in dips if normal[t] < THRESHOLD), min(dips, key=lambda t: normal[t]))
    return rate / _period(d, normal, lag), 1 - float(normal[lag])


def _difference(x: np.ndarray, lags: int) -> np.ndarray:
    """Eq. 6: the squared difference from the frame ``lag`` samples on, for every lag, all over windows of one length."""
    window = len(x) - lags
    size = 1 << (2 * len(x) - 1).bit_length()
    product = np.fft.irfft(np.conj(np.fft.rfft(x[:window], size)) * np.fft.rfft(x, size), size)[
        :lags
    ]
    energy = np.concatenate([[0.0], np.cumsum(x**2)])
    return np.maximum(
        0, energy[window] + energy[window : window + lags] - energy[:lags] - 2 * product
    )


def _period(d: np.ndarray, normal: np.ndarray, lag: int) -> float:
    """The dip's place between samples. The same dip some periods on, its place divided by their number, is finer."""
    period = _vertex(d, lag)
    for m in range(2, (len(d) - 4) // lag + 1):
        around = range(round(m * period) - 2, min(len(d) - 1, round(m * period) + 3))
        if not around or normal[best := min(around, key=lambda t: d[t])] > max(
            0.3, 2 * normal[lag]
        ):
            break
        period = _vertex(d, best) / m
    return period


def _vertex(d: np.ndarray, t: int) -> float:
    """Of the parabola through three values; at most a sample away, for in noise they may lie on next to a line."""
    curve = d[t - 1] - 2 * d[t] + d[t + 1]
    return t + (float(np.clip(0.5 * (d[t - 1] - d[t + 1]) / curve, -1, 1)) if curve > 0 else 0.0)
