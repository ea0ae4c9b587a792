"""captions: whether an example is found again by its text, and how alike both are to a network."""

from __future__ import annotations

import numpy as np

from ..errors import UsageError
from ..metric import FeatureMetric, Features

OTHERS = 15
"""Other texts among which the right one is to be found; by chance it is in 1 of 16 cases."""


class Captions(FeatureMetric):
    """R-precision (Park et al. 2021, arXiv:2104.14951) and the score of Hessel et al. 2021,
    arXiv:2104.08718: by a network of pictures or sounds and texts that ``--features`` names (CLIP,
    CLAP), or by the judge, which learns to match examples with the words of their texts.
    """

    def applies(self, examples: Features) -> bool:
        return bool(examples.alike)

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """``NAME_retrieved``, the share of examples whose text is nearest to them among ``OTHERS``
        others, and ``NAME_score``, 100 times the cosine of both. Raises UsageError without texts.
        """
        del data
        if not examples.alike:
            raise UsageError(
                "No text was asked for, or the network knows none: nothing can be found by its text."
            )
        found = {}
        for name, (seen, told) in examples.alike.items():
            known = np.square(told).sum(1) > 0
            score = np.maximum((seen[known] * told[known]).sum(1), 0)
            found[f"{name}_retrieved"] = retrieved(seen[known], told[known])
            found[f"{name}_score"] = 100 * float(score.mean()) if known.any() else float("nan")
        return found


def retrieved(seen: np.ndarray, told: np.ndarray) -> float:
    """The chance that the own text is nearer than ``OTHERS`` others, drawn at random; NaN where all
    texts are the same. Unlike the rank among all, it does not depend on their number.

    Args:
        seen, told: ``[n, d]`` of length 1, of examples and of their texts.
    """
    likeness, same = seen @ told.T, told @ told.T > 1 - 1e-6
    own = np.diag(likeness)[:, None]
    lower = np.where(same, 0.0, (likeness < own) + 0.5 * (likeness == own)).sum(1)
    others = (~same).sum(1)
    if not others.all() or not len(seen):
        return float("nan")
    return float(((lower / others) ** OTHERS).mean())
