"""Parts of recordings: silent ones, and random ones of equal length for a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difftool import Rng

SILENT = 16
"""-66 dBFS in int16: what never leaves a band of twice this is silence.

A constant offset is not sound either.
"""

BELOW = 1000
"""Ends are cut off where they are this much quieter than the recording's peak (60 dB)."""

KEPT = 0.02
"""Seconds of silence that are left at each end."""

TRIES = 4

CHUNK = 1 << 20
"""Samples that are looked at at once."""

GLANCE = 256
"""Samples in the middle of a part that are looked at first: of sound, they nearly always tell that
it is.
"""


def swing(x: np.ndarray) -> int:
    """The largest range, maximum minus minimum, of a channel of ``[c, n]``."""
    return int((x.max(1).astype(np.int32) - x.min(1)).max()) if x.size else 0


def silent(x: np.ndarray) -> bool:
    return swing(x) <= 2 * SILENT


def trimmed(x: np.ndarray, rate: int) -> np.ndarray:
    """``[c, n]`` without the silence at both ends, except for 20 ms."""
    peak = max(int(x.max()), -int(x.min())) if x.size else 0
    floor, n = max(SILENT, peak / BELOW), x.shape[1]
    # a glance at a chunk at a time, from either end, since a recording may be larger than memory
    first = next((at for start in range(0, n, CHUNK) for at in _loud(x, start, floor)[:1]), None)
    if first is None:
        return x[:, :0]
    starts = reversed(range(0, n, CHUNK))
    last = next(at for start in starts for at in _loud(x, start, floor)[-1:])
    kept = round(KEPT * rate)
    return x[:, max(0, int(first) - kept) : int(last) + 1 + kept]


def _loud(x: np.ndarray, start: int, floor: float) -> np.ndarray:
    """Where one of ``CHUNK`` samples is louder than that."""
    part = x[:, start : start + CHUNK]
    return start + np.flatnonzero((np.abs(part) > floor).any(0))


def crops(
    examples: np.ndarray | Sequence[np.ndarray], length: int, rng: Rng, silence: str
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """A random part of each example, padded with zeros at its end where the example is shorter.

    Of a long recording in a memory map only the part is touched. Unless silence is to be kept, a
    silent part is drawn again, a few times; the loudest of them is taken where all are.

    Args:
        examples: int16 ``[c, n]`` each.
        silence: as in the options.

    Returns:
        x: int16 ``[b, c, length]``.
        mask: bool ``[b, 1, length]``, True where it is real; None when nothing was padded.
        starts, totals: int64 ``[b]``, where each part begins and how long its recording is, in
            samples.
    """
    tries = 1 if silence == "keep" else TRIES
    draws = (
        rng.uniform((len(examples), tries)).double().numpy()
    )  # always as many, so that no example's draws depend on another's
    totals = np.asarray([example.shape[1] for example in examples], np.int64)
    room = np.maximum(totals - length, 0)
    choices = np.minimum((draws * (room[:, None] + 1)).astype(np.int64), room[:, None])
    starts = choices[:, 0].copy()
    x = np.zeros((len(examples), len(examples[0]), length), np.int16)
    for row, example, start in zip(x, examples, starts.tolist(), strict=True):
        _cut(row, example, start)
    if tries > 1:
        for i in np.flatnonzero(_perhaps_silent(x) & (room > 0)).tolist():
            starts[i] = start = _chosen(examples[i], choices[i], length)
            _cut(x[i], examples[i], start)
    mask = None if (totals >= length).all() else (np.arange(length) < totals[:, None])[:, None]
    return x, mask, starts, totals


def _cut(row: np.ndarray, example: np.ndarray, start: int) -> None:
    part = example[:, start : start + row.shape[1]]
    row[:, : part.shape[1]] = part


def _perhaps_silent(x: np.ndarray) -> np.ndarray:
    """``[b, c, n] -> [b]``: False if the middle shows that there is sound."""
    middle = x[:, 0, x.shape[2] // 2 :][:, :GLANCE]
    return middle.max(1).astype(np.int32) - middle.min(1) <= 2 * SILENT


def _chosen(example: np.ndarray, places: np.ndarray, length: int) -> int:
    """The first of these starts at which there is sound."""
    best, widest = int(places[0]), -1
    for place in places.tolist():
        if (found := swing(example[:, place : place + length])) > 2 * SILENT:
            return place
        if found > widest:
            best, widest = place, found
    return best
