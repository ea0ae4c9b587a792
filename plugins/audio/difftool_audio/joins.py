"""Joins of known and made sound, without a click."""

from __future__ import annotations

import numpy as np

REACH = 0.008
"""Seconds over which what is made gives way at a join."""


def joined(made: np.ndarray, known: np.ndarray, selected: np.ndarray, rate: int) -> np.ndarray:
    """The known recording, and what was made ``[c, n]`` where ``selected [1, n]`` is true.

    What was made beside a join differs from the known samples there. This difference, mirrored at
    the join and faded out, is added to what was made behind it: so the two meet, and what they
    differ by is not a step but a sound like theirs.
    """
    marks = selected[0].astype(bool)
    error = known.astype(np.float64) - made
    mended = made.astype(np.float64)
    for edge in np.flatnonzero(marks[1:] != marks[:-1]) + 1:
        forward = bool(marks[edge])  # what is made lies behind the edge
        reach = min(round(REACH * rate), *_room(marks, int(edge)))
        fade = np.cos(np.arange(reach) * (np.pi / 2 / max(reach, 1))) ** 2
        after, before = slice(edge, edge + reach), slice(edge - reach, edge)
        if forward:
            mended[:, after] += error[:, before][:, ::-1] * fade
        else:
            mended[:, before] += error[:, after][:, ::-1] * fade[::-1]
    info = np.iinfo(made.dtype)
    found = mended.round().clip(-info.max, info.max).astype(made.dtype)
    return np.where(marks, found, known)


def _room(marks: np.ndarray, edge: int) -> tuple[int, int]:
    """How many entries before and after an edge are like those beside it."""
    before = np.flatnonzero(marks[:edge] != marks[edge - 1])
    after = np.flatnonzero(marks[edge:] != marks[edge])
    return (
        edge - (int(before[-1]) + 1 if len(before) else 0),
        int(after[0]) if len(after) else len(marks) - edge,
    )
