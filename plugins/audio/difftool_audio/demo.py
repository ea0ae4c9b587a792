"""The built-in demo set: notes of six instruments at many pitches.

They are synthesised here, so nothing is downloaded.
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .write import encode

RATE = 16_000
SECONDS = 1.0
COUNT = 200
"""Notes of each timbre."""

LOW, HIGH = 220.0, 880.0
"""Hz: the A below middle C, and two octaves above it."""

TOP = 7_500.0  # Hz: partials above are left out, well before half the rate
ALL = range(1, int(TOP / LOW) + 1)  # the harmonics that the lowest note has

Draw = Callable[[float, float], np.ndarray]
"""``draw(low, high)`` -> ``[b, 1]``: one number for every note, uniform between the two."""


def write_demo(folder: Path, count: int = COUNT) -> None:
    """Write ``count`` notes of each instrument to ``folder/TIMBRE/0000.wav``; always the same ones.

    ``metadata.csv`` has the pitch of each in Hz.
    """
    rows: list[tuple[str, str]] = []
    for timbre in TIMBRES:
        (folder / timbre).mkdir(parents=True)
        for i, (sound, hz) in enumerate(zip(*notes(timbre, count), strict=True)):
            rows.append((f"{timbre}/{i:04d}.wav", f"{hz:.2f}"))
            (folder / rows[-1][0]).write_bytes(encode(sound, RATE))
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", "pitch"), *rows])


def notes(timbre: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` notes of a timbre, int16 ``[count, 1, n]``, and their pitches in Hz, ``[count]``:
    evenly spread over the octaves.
    """
    rng = np.random.default_rng(zlib.crc32(timbre.encode()))

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1))

    hz = np.round(LOW * (HIGH / LOW) ** draw(0, 1), 2)
    level = draw(0.3, 0.9)
    sound = TIMBRES[timbre](hz, draw)
    sound *= level / np.abs(sound).max(1, keepdims=True)
    return np.round(sound * 32767).astype(np.int16)[:, None], hz[:, 0]


# --- what notes are made of -----------------------------------------------------------------------


def _time() -> np.ndarray:
    """Seconds, ``[1, n]``."""
    return np.arange(round(RATE * SECONDS))[None] / RATE


def _harmonics(
    hz: np.ndarray,
    phase: np.ndarray,
    amplitude: Mapping[int, np.ndarray | float],
    damping: np.ndarray | float = 0.0,
) -> np.ndarray:
    """The sum over k of amplitude[k] · sin(k · phase) · exp(-k · damping · t): higher harmonics die
    away sooner.

    The powers of one complex exponential are all of them.
    """
    z = np.exp(1j * phase - damping * _time())
    power, total = np.ones_like(z), np.zeros(z.shape)
    for k in range(1, max(amplitude) + 1):
        power *= z
        if k in amplitude:
            total += np.where(k * hz < TOP, amplitude[k], 0.0) * power.imag
    return total


def _steady(hz: np.ndarray) -> np.ndarray:
    """The phase of a constant pitch, in radians."""
    return 2 * np.pi * hz * _time()


def _vibrato(hz: np.ndarray, depth: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """The phase of a pitch that varies by the share ``depth`` up and down, ``rate`` times a second."""
    return _steady(hz) - hz * depth / rate * (np.cos(2 * np.pi * rate * _time()) - 1)


def _held(attack: np.ndarray, release: np.ndarray) -> np.ndarray:
    """A level that rises for ``attack`` seconds, stays, and falls smoothly for the last ``release``
    seconds.
    """
    rise, fall = np.clip(_time() / attack, 0, 1), np.clip((SECONDS - _time()) / release, 0, 1)
    return np.sin(np.pi / 2 * rise) ** 2 * np.sin(np.pi / 2 * fall) ** 2


def _struck(attack: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """A level that starts at its maximum and falls by ``decay`` nepers per second. Its end is
    faded, so that it does not click.
    """
    return _held(attack, np.full_like(attack, 0.05)) * np.exp(-decay * _time())


# --- the timbres: (pitches [b, 1], draw) -> [b, n], at any level ----------------------------------


def _organ(hz: np.ndarray, draw: Draw) -> np.ndarray:
    """Drawbars: the fundamental, octaves and twelfths, with a slow tremulant."""
    bars: dict[int, np.ndarray | float] = {
        1: draw(0.9, 1.0),
        2: draw(0.4, 0.8),
        3: draw(0.2, 0.5),
        4: draw(0.2, 0.6),
        6: draw(0.05, 0.3),
        8: draw(0.05, 0.3),
    }
    tremulant = 1 + draw(0.0, 0.15) * np.sin(2 * np.pi * draw(5, 7) * _time())
    return _harmonics(hz, _steady(hz), bars) * tremulant * _held(draw(0.01, 0.05), draw(0.06, 0.3))


def _pluck(hz: np.ndarray, draw: Draw) -> np.ndarray:
    """A string plucked at a point of its length: sin(pi k point) / k."""
    point = draw(0.12, 0.35)
    sound = _harmonics(
        hz, _steady(hz), {k: np.sin(np.pi * k * point) / k for k in ALL}, damping=draw(0.7, 2.0)
    )
    return sound * _struck(draw(0.002, 0.006), draw(1.0, 3.0))


def _bell(hz: np.ndarray, draw: Draw) -> np.ndarray:
    """Frequency modulation at an inharmonic ratio (Chowning 1973), whose index falls and leaves the
    fundamental ringing.
    """
    index = draw(0.8, 1.6) * np.sqrt(LOW / hz) * np.exp(-draw(5, 10) * _time())
    modulator = index * np.sin(_steady(hz * 2.76))
    return np.sin(_steady(hz) + modulator) * _struck(draw(0.002, 0.006), draw(1.0, 3.0))


def _reed(hz: np.ndarray, draw: Draw) -> np.ndarray:
    """A closed pipe: odd harmonics, few even ones."""
    slope, even = draw(0.8, 1.2), draw(0.03, 0.12)
    phase = _vibrato(hz, draw(0.0, 0.003), draw(4.5, 6))
    return _harmonics(hz, phase, {k: k**-slope * (1 if k % 2 else even) for k in ALL}) * _held(
        draw(0.03, 0.1), draw(0.05, 0.2)
    )


def _strings(hz: np.ndarray, draw: Draw) -> np.ndarray:
    """Bowed: all harmonics, a slow start and a vibrato."""
    slope = draw(0.9, 1.4)
    phase = _vibrato(hz, draw(0.003, 0.007), draw(4.5, 6.5))
    return _harmonics(hz, phase, {k: k**-slope for k in ALL}) * _held(
        draw(0.1, 0.3), draw(0.1, 0.3)
    )


def _mallet(hz: np.ndarray, draw: Draw) -> np.ndarray:
    """A tuned wooden bar: the fundamental, and for a moment its double octave and the major third
    above the triple one.
    """
    partials: dict[int, np.ndarray | float] = {1: 1.0, 4: draw(0.2, 0.6), 10: draw(0.05, 0.25)}
    sound = _harmonics(hz, _steady(hz), partials, damping=draw(3, 6))
    return sound * _struck(draw(0.002, 0.005), draw(1, 3))


TIMBRES: dict[str, Callable[[np.ndarray, Draw], np.ndarray]] = {
    "bell": _bell,
    "mallet": _mallet,
    "organ": _organ,
    "pluck": _pluck,
    "reed": _reed,
    "strings": _strings,
}
