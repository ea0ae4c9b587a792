"""labels: whether labels agree with what a judge sees in examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..judge.judge import is_held_out
from ..metric import Features
from ..shell import command
from ..verdict import Case, Check, Diagnosis

FEWEST = 40
"""Held-out examples below which nothing is said."""

CHANCE = 0.25
"""Share of the way from chance to always right, below which labels look random."""

TEACHABLE = 0.1
"""The same share, of the examples that the judge was trained on, above which labels are not random:
in its few epochs it learns no random ones (0.04 of shuffled letters and digits, 0.16 of moving
glyphs whose labels are right and hard to see).
"""

WRONG = 0.08
"""Share of labels that a judge contradicts with confidence, from which on it is a warning. Of the
faultless data of ``benchmarks/doctor.py`` it is up to 0.04, with a quarter of wrong labels 0.33.
"""


class Labels(Check):
    """Shuffled and wrong labels, on examples that the judge was not trained on."""

    needs = ("features", "labels")

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.features is not None
        assert case.labels is not None
        name, asked = case.labels
        held = is_held_out(case.features.numbers) & (asked >= 0)
        if held.sum() < FEWEST:
            return
        guess, truth = case.features.guesses[name][held], asked[held]
        right = float((guess.argmax(1) == truth).mean())
        chance = float(np.bincount(truth).max() / len(truth))
        error = (chance * (1 - chance) / len(truth)) ** 0.5
        skill = (right - chance) / max(1e-9, 1 - chance)
        if skill < CHANCE and self._taught(case.features, name) > TEACHABLE:
            yield Diagnosis(
                "note",
                "unclear labels",
                f"A judge that was trained on the data sees the {name} of {right:.0%} of {len(truth):,} "
                f"held-out examples; by chance it would be {chance:.0%}. Of those that it was "
                "trained on it sees more.",
                f"The {name} may be hard to see for so small a network, and whether labels are right "
                "is not known. Compare some files with their labels.",
                command("data", "check", "-m", case.modality, case.source),
            )
        elif skill < CHANCE or right < chance + 3 * error:
            hopeless = right < chance + 3 * error
            yield Diagnosis(
                "error" if hopeless else "warning",
                "random labels",
                f"A judge that was trained on the data sees the {name} of {right:.0%} of {len(truth):,} "
                f"held-out examples; by chance it would be {chance:.0%}.",
                f"The {name} says {'nothing' if hopeless else 'little'} about the examples: labels "
                "were probably shuffled, or shifted against the files. Compare some files with "
                "their labels.",
                command("data", "check", "-m", case.modality, case.source),
                weight=1.0 if hopeless else 0.9,
            )
        elif (wrong := self._wrong(case.features, name)) > WRONG:
            yield Diagnosis(
                "warning",
                "wrong labels",
                f"About {wrong:.0%} of the labels of {name} are probably wrong: a judge is as sure "
                "of another one as it is of right ones.",
                f"Look at the labels; {right:.0%} of {len(truth):,} held-out examples agree with "
                "the judge.",
                command("data", "check", "-m", case.modality, case.source),
                weight=min(1.0, 0.6 + wrong),
            )

    @staticmethod
    def _taught(features: Features, name: str) -> float:
        """How far the judge has got from chance to always right, of what it was trained on."""
        asked = features.asked[name]
        at = np.flatnonzero((asked >= 0) & ~is_held_out(features.numbers))
        truth = asked[at]
        if not len(truth):
            return 0.0
        right = float((features.guesses[name][at].argmax(1) == truth).mean())
        chance = float(np.bincount(truth).max() / len(truth))
        return (right - chance) / max(1e-9, 1 - chance)

    @staticmethod
    def _wrong(features: Features, name: str) -> float:
        """The share of contradicted labels among examples that the judge was trained on, or among
        the others if that is less.

        A weak judge errs on new examples. It contradicts what it was taught only where the rest of
        the data does.
        """
        known, new = features.asked[name] >= 0, is_held_out(features.numbers)
        parts = [np.flatnonzero(known & side) for side in (new, ~new)]
        return min(
            contradicted(features.guesses[name][at], features.asked[name][at]) for at in parts
        )


def contradicted(guess: np.ndarray, asked: np.ndarray) -> float:
    """The share of labels that are wrong by confident learning.

    Northcutt et al. 2021, arXiv:1911.00068, Eq. 1: an example belongs to a class of which the guess
    is at least as sure as it is on average of that class's own examples.

    Args:
        guess: probabilities ``[n, labels]``.
        asked: the labels ``[n]``.
    """
    labels = np.arange(guess.shape[1])
    sure = np.array([guess[asked == k, k].mean() if (asked == k).any() else np.inf for k in labels])
    able = np.where(guess >= sure, guess, -1.0)
    best = able.argmax(1)
    return float(((able.max(1) >= 0) & (best != asked) & (guess.argmax(1) == best)).mean())
