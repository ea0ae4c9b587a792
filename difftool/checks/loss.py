"""loss: the shape of the loss, the averages of the weights, and how a run ended."""

from __future__ import annotations

from collections.abc import Iterator

from ..verdict import Case, Check, Diagnosis, of_training


class Loss(Check):
    """What the logged losses and the settings of a run say."""

    needs = ("training",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.training is not None
        yield from (one for one in of_training(case.training) if one.level != "ok")
