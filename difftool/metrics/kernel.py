"""kernel: the maximum mean discrepancy between examples and data in features, without bias."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..description import Description
from ..metric import FeatureMetric, Features
from ..options import Options
from .neighbours import Once, squared_distances

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]

PAIRS = 1000
"""Examples whose distances give the width of the Gaussian kernel."""


class KernelDistance(FeatureMetric):
    """Two kernels: the cubic one of the kernel inception distance, and a Gaussian one.

    Binkowski et al. 2018, arXiv:1801.01401; Gretton et al. 2012, Eq. 3: means over pairs, of which
    none is of an example with itself. Both are 0 on average for equal
    distributions, at any number of examples, so they may be below 0.
    """

    def __init__(self, options: Options, description: Description) -> None:
        super().__init__(options, description)
        self._of_data = Once(_within_data)

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``kid`` and ``mmd``; NaN for fewer than two examples or two of the data."""
        x, y = examples.vectors, data.vectors
        if min(len(x), len(y)) < 2:
            return {"kid": float("nan"), "mmd": float("nan")}
        return {
            name: within(x, kernel) + within_y - 2 * float(kernel(x, y).mean())
            for name, (kernel, within_y) in self._of_data(y).items()
        }


def _within_data(y: np.ndarray) -> dict[str, tuple[Kernel, float]]:
    """The kernels, the Gaussian one as wide as the data, with their means over pairs of the data."""
    some = y[:: -(-len(y) // PAIRS)]
    apart = squared_distances(some, some)
    width = float(np.median(apart[~np.eye(len(some), dtype=bool)])) or 1.0
    kernels: dict[str, Kernel] = {"kid": cubic, "mmd": partial(gaussian, width)}
    return {name: (kernel, within(y, kernel)) for name, kernel in kernels.items()}


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x.y / d + 1)^3, the kernel of KID."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def gaussian(width: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """exp(-|x - y|^2 / width)."""
    return np.exp(-squared_distances(x, y) / width)


def within(x: np.ndarray, kernel: Kernel) -> float:
    """The mean of the kernel over pairs of different rows."""
    values = kernel(x, x)
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))
