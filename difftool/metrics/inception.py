"""inception: how sure a judge is of the labels of examples, and how varied they are."""

from __future__ import annotations

import numpy as np

from ..errors import UsageError
from ..metric import FeatureMetric, Features

TINY = 1e-12
"""Stands for 0 in a logarithm."""


class InceptionScore(FeatureMetric):
    """exp of the mean KL divergence of p(label | x) from p(label).

    Salimans et al. 2016, arXiv:1606.03498, Sec. 4. Between 1 and the number of labels. The judge of
    the data takes the place of Inception.
    """

    corrected = True

    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """A score for each condition that is a label. Raises UsageError if there is none."""
        labels = {name: p for name, p in examples.guesses.items() if is_label(p, examples, name)}
        if not labels:
            raise UsageError("The inception score needs data with labels.")
        return {name: inception_score(p) for name, p in labels.items()}


def inception_score(p: np.ndarray) -> float:
    """Of probabilities ``[n, labels]``; NaN without examples."""
    if not len(p):
        return float("nan")
    p = p.clip(TINY)
    divergence = (p * (np.log(p) - np.log(p.mean(0)))).sum(1)
    return float(np.exp(divergence.mean()))


def is_label(guess: np.ndarray, examples: Features, name: str) -> bool:
    """Whether a guess is one of several labels, not numbers and not any combination of labels."""
    asked = examples.asked.get(name)
    return guess.ndim == 2 and (asked is None or asked.ndim == 1)
