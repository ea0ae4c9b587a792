"""amount: whether there are enough examples, in all and of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..verdict import Case, Check, Diagnosis

FEW, LITTLE = 150, 500
"""Examples below which a model from scratch learns them by heart, and probably does."""

STARVED = 0.15
"""Share of the median class below which a class starves."""

LEAST = 10
"""Examples that a class needs in any case."""

NUMEROUS = 50
"""Classes above which their sizes naturally differ by much."""


class Amount(Check):
    """Too little data for a model from scratch, and classes with hardly any examples."""

    needs = ("columns",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        yield from self._all(case)
        yield from self._classes(case)

    def _all(self, case: Case) -> Iterator[Diagnosis]:
        if not 0 < case.total < LITTLE:
            return
        run = case.training
        seen = f" Each was seen {run.epochs:,.0f} times." if run and run.steps else ""
        yield Diagnosis(
            "warning" if case.total < FEW else "note",
            "too little data",
            f"There are {case.total:,} examples.{seen}",
            "A model from scratch learns so few by heart. Collect at least some thousand, start "
            "from a trained model with --init, or use augmentation and dropout.",
            weight=0.8 - 0.5 * min(1.0, case.total / LITTLE),
        )

    def _classes(self, case: Case) -> Iterator[Diagnosis]:
        assert case.columns is not None
        values = [row["class"] for row in case.columns if row.get("class", "") != ""]
        counts = Counter(values)
        if not 2 <= len(counts) <= NUMEROUS:
            return
        usual = float(np.median(list(counts.values())))
        starved = [(label, n) for label, n in counts.items() if n < max(STARVED * usual, 1.5)]
        if not starved or usual < LEAST:
            return
        scale = case.total / len(case.columns)
        label, n = min(starved, key=lambda one: one[1])
        more = f" and {len(starved) - 1:,} more" if len(starved) > 1 else ""
        yield Diagnosis(
            "warning",
            "starved class",
            f"The class {label}{more} has about {n * scale:,.0f} examples, where a class usually "
            f"has {usual * scale:,.0f}.",
            "Samples of it will be poor or copies. Collect more of it, or leave it out.",
            weight=0.55 + 0.2 * (1 - n / usual),
        )
