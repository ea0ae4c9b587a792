"""Distances between feature vectors, and those of nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from ..errors import UsageError

AT_ONCE = 512
"""Rows whose distances to all others are in memory at once."""

T = TypeVar("T")


class Once(Generic[T]):
    """A function of the data that is not called again while the data is the same object."""

    def __init__(self, function: Callable[[np.ndarray], T]) -> None:
        self._function = function
        self._last: tuple[np.ndarray, T] | None = None

    def __call__(self, data: np.ndarray) -> T:
        if self._last is None or self._last[0] is not data:
            self._last = (data, self._function(data))
        return self._last[1]


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``[n, d], [m, d] -> [n, m]``, at least 0."""
    # from the mean of y, as the difference of large squares would lose the small distances
    x, y = x - y.mean(0), y - y.mean(0)
    found = np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2 * x @ y.T
    return np.maximum(found, 0)


def radii(x: np.ndarray, k: int) -> np.ndarray:
    """``[n]``: the distance of each row to its k-th nearest other row.

    Raises UsageError if there are not more than k rows.
    """
    if len(x) <= k:
        raise UsageError(f"{len(x)} examples are too few: this metric needs at least {k + 1}.")
    # the nearest row is the row itself
    return np.concatenate(
        [
            np.sqrt(np.partition(squared_distances(x[at : at + AT_ONCE], x), k, axis=1)[:, k])
            for at in range(0, len(x), AT_ONCE)
        ]
    )
