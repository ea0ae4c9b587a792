"""blank: examples that show nothing, and values that are not numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..verdict import Case, Check, Diagnosis

FLAT = 0.02
"""Spread of an example over that of all, below which it shows nothing."""

SOME, MANY = 0.03, 0.2
"""Shares of blank examples that are worth a warning, and an error."""


class Blank(Check):
    """Silence, empty pictures, constant arrays: examples without any structure."""

    needs = ("spreads",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.spreads is not None
        if not len(case.spreads):
            return
        if not np.isfinite(case.spreads).all():
            share = float((~np.isfinite(case.spreads)).mean())
            yield Diagnosis(
                "error",
                "not numbers",
                f"{share:.1%} of {len(case.spreads):,} examples hold NaN or infinity.",
                "Remove them, or fill in what is missing: one of them ends the training.",
                weight=1.0,
            )
            return
        spread = case.spreads
        usual = float(np.median(spread)) or float(spread.max())
        if usual == 0:
            yield Diagnosis(
                "error", "blank", "Every example is constant.", "There is nothing to learn."
            )
            return
        blank = float((spread < FLAT * usual).mean())
        if blank > SOME:
            yield Diagnosis(
                "error" if blank > MANY else "warning",
                "blank",
                f"{blank:.1%} of {len(case.spreads):,} examples are constant: silent, empty or cut "
                "off.",
                "The model learns to make such samples as often. Remove them.",
                weight=min(1.0, 0.6 + blank),
            )
