"""levels: under- and overfitting by noise level, and what averages of the weights cost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..verdict import Case, Check, Diagnosis
from ..verdict.case import Levels as Losses

APART = 0.10
"""Share by which the held-out loss exceeds the training loss, from which on it is overfitting."""

GRAVE = 0.5

SURE = 3.0
"""Standard errors of a difference that is not chance."""

WORSE = 0.15
"""Share by which the average of the weights is worse than the weights themselves."""


class LevelsCheck(Check):
    """Compares the losses of held-out and of training examples, level by level."""

    needs = ("levels",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.levels is not None
        yield from self._by_heart(case, case.levels)
        yield from self._average(case.levels)

    def _by_heart(self, case: Case, found: Losses) -> Iterator[Diagnosis]:
        gap = found.held / np.maximum(found.trained, 1e-12) - 1
        sure = found.held - found.trained > SURE * found.difference_error
        at = np.flatnonzero(sure & (gap > APART))
        if len(at) < 2:
            return
        low, high = found.sigmas[at[0]], found.sigmas[at[-1]]
        worst = float(gap[at].max())
        often = (
            f" Each example was seen {case.training.epochs:,.0f} times."
            if case.training and case.training.steps
            else ""
        )
        yield Diagnosis(
            "error" if worst > GRAVE else "warning",
            "overfitting",
            f"At noise levels from {low:.2g} to {high:.2g} the loss of held-out examples is up to "
            f"{worst:.0%} above that of training examples.{often}",
            "The network learns examples by heart. Use more data, fewer steps, a smaller network "
            "or dropout.",
            "difftool train … --set backbone.dropout=0.1",
            weight=min(1.0, 0.5 + worst / 2),
        )

    def _average(self, found: Losses) -> Iterator[Diagnosis]:
        if found.live is None:
            return
        # the middle levels carry most of the loss
        ratio = float(np.median(found.held / np.maximum(found.live, 1e-12))) - 1
        if ratio > WORSE:
            yield Diagnosis(
                "error" if ratio > GRAVE else "warning",
                "average too long",
                f"On held-out examples the average of the weights has a loss {ratio:.0%} above that "
                "of the weights themselves.",
                "Its half-life is too long for the length of the run: it still remembers the "
                "beginning. Train longer, or shorten it.",
                "difftool train … --set ema.rampup=0.05",
                weight=0.9,
            )
