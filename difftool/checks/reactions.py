"""conditions: whether estimates depend on the conditions."""

from __future__ import annotations

from collections.abc import Iterator

from ..shell import command
from ..verdict import Case, Check, Diagnosis

DEAD = 0.01
"""Change of an estimate with another condition, over its error, below which it has no effect."""

USELESS = 0.002
"""Share of the loss that the true condition saves, below which the model does not use it."""


class Conditions(Check):
    """Conditions that a model does not react to, or that do not help it."""

    needs = ("reactions",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.reactions is not None
        early = case.training is not None and case.training.is_early
        for name, one in case.reactions.items():
            if one.change < DEAD:
                yield Diagnosis(
                    "note" if early else "error",
                    "dead condition",
                    f"With another {name} the estimates change by {one.change:.2%} of their error: "
                    f"the model ignores {name}.",
                    "Train longer; if that does not help, the condition does not reach the network "
                    "or is always dropped.",
                    f"difftool config show RUN  # look at conditions.{name}",
                    weight=0.9,
                )
            elif one.gain < USELESS and one.gain < 2 * one.error:
                yield Diagnosis(
                    "note" if early else "warning",
                    "useless condition",
                    f"The true {name} lowers the loss by {one.gain:.2%} ± {one.error:.2%} only, "
                    "compared with that of another example.",
                    f"The model has not learnt what {name} means: train longer, or look whether "
                    "labels fit the files.",
                    command("doctor", "-m", case.modality, case.source),
                    weight=0.6,
                )
