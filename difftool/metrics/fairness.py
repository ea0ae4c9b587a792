"""fairness: how much worse a model serves its worst class than its best one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import UsageError
from ..metric import FeatureMetric, Features

FEWEST = 5
"""Examples of a class below which its share says nothing."""


class Fairness(FeatureMetric):
    """Classes side by side, as HEIM compares groups (Lee et al. 2023, arXiv:2311.04287, Sec. 3).

    The worst of several classes is worse by chance, too: compare with the data's own numbers, of
    equally many examples.
    """

    equal = True

    def applies(self, examples: Features) -> bool:
        return any(True for _ in _labels(examples))

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``NAME_worst``, the share of the worst class in which the judge sees what was asked for,
        and ``NAME_gap``, that of the best class less it; NaN for fewer than two classes of
        ``FEWEST`` examples. Raises UsageError without labels.
        """
        del data
        found = {}
        for name, right, asked in _labels(examples):
            classes, counts = np.unique(asked[asked >= 0], return_counts=True)
            shares = [right[asked == one].mean() for one in classes[counts >= FEWEST]]
            able = len(shares) > 1
            found[f"{name}_worst"] = float(min(shares)) if able else float("nan")
            found[f"{name}_gap"] = float(max(shares) - min(shares)) if able else float("nan")
        if not found:
            raise UsageError("Fairness across classes needs a model with labels.")
        return found


def _labels(examples: Features) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, whether the judge sees what was asked for, and what was: of each label."""
    for name, asked in examples.asked.items():
        if asked.ndim == 1 and asked.dtype.kind in "iu" and name in examples.guesses:
            yield name, examples.guesses[name].argmax(1) == asked, asked
