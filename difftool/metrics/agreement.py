"""agreement: whether examples are what was asked for, by the judge of the data."""

from __future__ import annotations

import numpy as np

from ..errors import UsageError
from ..metric import FeatureMetric, Features


class Agreement(FeatureMetric):
    """The share of examples in which the judge sees the asked label, or the error of a number.

    The same of held-out data says how good the judge is (the classification accuracy score of
    Ravuri and Vinyals 2019, arXiv:1905.10887, the other way round).
    """

    def is_share(self, name: str) -> bool:
        return name.endswith("_right")

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``NAME_right``, a share, or ``NAME_error``, the root mean square error of a number over
        the standard deviation of the data. Raises UsageError where nothing was asked.
        """
        found = {}
        for name, guess in examples.guesses.items():
            if (asked := examples.asked.get(name)) is None:
                continue
            if guess.ndim == 1:
                spread = np.nanstd(data.asked[name]) if name in data.asked else 1.0
                found[f"{name}_error"] = relative_error(guess, asked, float(spread) or 1.0)
            else:
                found[f"{name}_right"] = share_right(guess, asked)
        if not found:
            raise UsageError(
                "No condition was asked for that the judge knows, so nothing can agree with it."
            )
        return found


def share_right(guess: np.ndarray, asked: np.ndarray) -> float:
    """Of probabilities ``[n, labels]`` and indices ``[n]``, or 0 and 1 for each label; NaN if all
    are below 0, "not asked".
    """
    if asked.ndim == 1:
        known = asked >= 0
        right = guess.argmax(1) == asked
    else:
        known = np.asarray((asked >= 0).all(1))
        right = np.asarray(((guess > 0.5) == (asked > 0.5)).all(1))
    return float(right[known].mean()) if known.any() else float("nan")


def relative_error(guess: np.ndarray, asked: np.ndarray, spread: float) -> float:
    """The root mean square error of the numbers ``[n]`` that are not NaN, over the spread."""
    known = ~np.isnan(asked)
    if not known.any():
        return float("nan")
    return float(np.sqrt(np.square(guess - asked)[known].mean()) / spread)
