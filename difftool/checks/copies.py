"""copies: examples that are nearly the same, and whether copies lie in different classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..metrics.neighbours import AT_ONCE, squared_distances
from ..verdict import Case, Check, Diagnosis
from .blank import FLAT

NEAR = 0.05
"""Distance of two copies, over the median distance of two examples."""

SOME, MANY = 0.03, 0.15
"""Shares of copies that are worth a note, and a warning."""

TORN = 0.01
"""Share of examples with a copy in another class that is worth a warning."""


class Copies(Check):
    """Near copies, by the distance of examples as the modality shows them to a judge."""

    needs = ("seen", "spreads", "columns")

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.seen is not None
        assert case.spreads is not None
        if len(case.seen) < 20:
            return
        pairs = near_pairs(case.seen)
        # blank examples are all alike, and another check names them
        blank = case.spreads < FLAT * np.median(case.spreads)
        pairs = pairs[~blank[pairs].any(1)]
        copied = len(np.unique(pairs[:, 1])) / len(case.seen)
        torn = self._torn(case, pairs)
        if torn > TORN:
            yield Diagnosis(
                "error" if torn > 5 * TORN else "warning",
                "copies across classes",
                f"{torn:.1%} of {len(case.seen):,} examples have a near copy under another label.",
                "The same file was sorted into several classes, or labels were mixed up. Remove "
                "the copies: no model can tell these classes apart.",
                weight=min(1.0, 0.6 + torn),
            )
        if copied > SOME and torn < copied / 2:
            yield Diagnosis(
                "warning" if copied > MANY else "note",
                "copies",
                f"{copied:.1%} of {len(case.seen):,} examples are near copies of others.",
                "The model sees these more often than the rest and learns them by heart first. "
                "Keep one of each, unless that is meant.",
                weight=min(1.0, 0.4 + copied),
            )

    @staticmethod
    def _torn(case: Case, pairs: np.ndarray) -> float:
        """The share of examples that have a copy under another label."""
        if (labels := case.labels) is None or not len(pairs):
            return 0.0
        one, other = (labels[1][pairs[:, side]] for side in (0, 1))
        apart = pairs[(one != other) & (one >= 0) & (other >= 0)]
        return len(np.unique(apart)) / len(labels[1])


def near_pairs(seen: np.ndarray, near: float = NEAR) -> np.ndarray:
    """``[n, d] -> [pairs, 2]``: the indices of examples that are nearly the same, the first below
    the second.

    Two are near if their distance is a small share of the median distance of two examples.
    """
    usual = np.sqrt(np.median(squared_distances(seen[:AT_ONCE], seen[-AT_ONCE:])))
    found = [np.zeros((0, 2), np.int64)]
    for at in range(0, len(seen), AT_ONCE):
        apart = np.sqrt(squared_distances(seen[at : at + AT_ONCE], seen))
        rows, columns = np.nonzero(apart < near * usual)
        rows = rows + at
        found.append(np.stack([rows, columns], 1)[rows < columns])
    return np.concatenate(found)
