"""memorisation: whether examples are copies of the data."""

from __future__ import annotations

from functools import partial

import numpy as np

from ..description import Description
from ..errors import UsageError
from ..metric import FeatureMetric, Features
from .neighbours import AT_ONCE, Once, squared_distances
from .options import MemorisationOptions


class Memorisation(FeatureMetric):
    """How near examples are to their nearest neighbour in the data.

    Data are compared with all other data: what has not been memorised is as near to the data as
    they are to each other (Meehan et al. 2020, arXiv:2004.05675). An example is a near copy if its
    neighbour is far nearer to it than to the neighbours of its own (Carlini et al. 2023,
    arXiv:2301.13188, Sec. 4.2).
    """

    options: MemorisationOptions
    whole = True

    def __init__(self, options: MemorisationOptions, description: Description) -> None:
        super().__init__(options, description)
        self._of_data = Once(partial(_spacing, k=options.neighbours))

    def is_share(self, name: str) -> bool:
        return name == "near_copies"

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``near_copies``, a share, and ``distance``: the median distance to the nearest example of
        the data, over the median distance of the data to each other.

        Raises:
            UsageError: no more data than neighbours.
        """
        if len(data) <= self.options.neighbours + 1:
            raise UsageError(
                f"{len(data)} examples of the data are too few to tell copies: use at least "
                f"{self.options.neighbours + 2}."
            )
        usual, around = self._of_data(data.vectors)
        nearest, at = neighbours(examples, data)
        copies = nearest < self.options.copy_ratio * around[at]
        return {
            "near_copies": float(copies.mean()),
            "distance": float(np.median(nearest) / (usual or np.nan)),
        }


def neighbours(examples: Features, data: Features) -> tuple[np.ndarray, np.ndarray]:
    """``[n]``: the distance to the nearest of the data, and its index.

    No example is its own neighbour (``Features.numbers``).
    """
    distances, indices = [], []
    for start in range(0, len(examples), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        apart = np.sqrt(squared_distances(examples.vectors[some], data.vectors))
        if len(examples.numbers) and len(data.numbers):
            apart[examples.numbers[some, None] == data.numbers] = np.inf
        indices.append(apart.argmin(1))
        distances.append(apart.min(1))
    return np.concatenate(distances), np.concatenate(indices)


def nearest_pairs(examples: Features, data: Features, count: int) -> list[tuple[int, int, float]]:
    """The examples that are nearest to the data: the index of each, that of its neighbour, and
    their distance over the mean distance of the examples, the nearest first.
    """
    distances, at = neighbours(examples, data)
    usual = float(distances.mean()) or 1.0
    return [
        (int(i), int(at[i]), float(distances[i]) / usual)
        for i in np.argsort(distances, kind="stable")[:count]
    ]


def _spacing(x: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """The median distance of the data to each other, and each one's mean over k neighbours."""
    first, mean = [], []
    for start in range(0, len(x), AT_ONCE):
        apart = np.sqrt(squared_distances(x[start : start + AT_ONCE], x))
        nearest = np.partition(apart, [1, k], axis=1)[:, : k + 1]  # the row itself is one of them
        first.append(nearest[:, 1])
        mean.append(nearest.sum(1) / k)
    return float(np.median(np.concatenate(first))), np.concatenate(mean)
