"""frechet: the Fréchet distance between examples and data, as Gaussians of features."""

from __future__ import annotations

import numpy as np

from ..description import Description
from ..metric import FeatureMetric, Features
from ..options import Options
from .neighbours import Once


class Frechet(FeatureMetric):
    """The squared Fréchet distance between two Gaussians (Heusel et al. 2017, arXiv:1706.08500).

    Of few examples it is too large by about a multiple of 1/n (Chong and Forsyth 2020,
    arXiv:1911.07023), which ``difftool evaluate`` takes away: 0 is a perfect model. That works, and the intervals are
    right, if there are at least about eight times as many examples as features.
    """

    corrected = True

    def __init__(self, options: Options, description: Description) -> None:
        super().__init__(options, description)
        self._of_data = Once(gaussian)

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``distance``, and ``relative``, the same over the variance of the data; NaN for fewer
        than two examples or two of the data.
        """
        if min(len(examples), len(data)) < 2:
            return {"distance": float("nan"), "relative": float("nan")}
        mean, covariance = self._of_data(data.vectors)
        distance = frechet(*gaussian(examples.vectors), mean, covariance)
        return {"distance": distance, "relative": distance / (np.trace(covariance) or np.nan)}


def gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[n, d]`` -> mean ``[d]`` and covariance ``[d, d]`` with n - 1."""
    return x.mean(0), np.atleast_2d(np.cov(x, rowvar=False))


def frechet(
    mean: np.ndarray, covariance: np.ndarray, mean_2: np.ndarray, covariance_2: np.ndarray
) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) (Dowson and Landau 1982, Eq. 4).

    C C' has the eigenvalues of C^(1/2) C' C^(1/2), which is symmetric, so that rounding makes none
    of them complex.
    """
    root = _root(covariance)
    cross = np.linalg.eigvalsh(root @ covariance_2 @ root).clip(0)
    apart = np.square(mean - mean_2).sum() + np.trace(covariance) + np.trace(covariance_2)
    return float(apart - 2 * np.sqrt(cross).sum())


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(0))) @ vectors.T
