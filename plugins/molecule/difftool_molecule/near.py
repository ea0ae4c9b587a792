"""near: which points lie close to each other."""

from __future__ import annotations

import numpy as np

PAIRS = 1 << 20
"""Distances computed at a time, so that one huge molecule takes time and not memory."""


def near(
    positions: np.ndarray, limit: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All pairs of points nearer than a limit: the first of each pair, the second, which comes
    after it, and their distance.

    Args:
        positions: ``[n, 3]``.
        limit: one for all; or ``[n]``, a share of each point's own, and a pair's limit is the sum
            of both.
    """
    count = len(positions)
    shares = np.broadcast_to(np.asarray(limit) / (1 if np.ndim(limit) else 2), (count,))
    rows, found = max(1, PAIRS // max(1, count)), []
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        gaps = np.linalg.norm(positions[start:stop, None] - positions[start:], axis=-1)
        first, second = np.nonzero(gaps < shares[start:stop, None] + shares[start:])
        first, second = first[later := first < second], second[later]
        found.append((first + start, second + start, gaps[first, second]))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    first, second, distances = (np.concatenate(column) for column in zip(*found, strict=True))
    return first, second, distances
