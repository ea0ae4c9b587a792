"""What may be wrong with pictures: channels that were swapped."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from difftool import Case, Check, Diagnosis

FEWEST = 10
"""Pictures that name a colour, below which nothing can be told."""

SURE = 0.75
"""Share of these in which the other channel is the stronger one."""

NAMES = {"red": (0, 2), "blue": (2, 0)}
"""Colour word -> the channel that it is of, and the one that it would be after a swap."""


class Channels(Check):
    """Where words name colours, red should be redder than other pictures are, and blue bluer."""

    needs = ("examples", "columns")

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.examples is not None
        assert case.columns is not None
        if not len(case.examples) or len(case.examples[0]) < 3:
            return
        usual = np.mean([_balance(one) for one in case.examples])
        votes = []
        for example, row in zip(case.examples, case.columns, strict=True):
            words = " ".join(str(value).lower() for value in row.values())
            named = [name for name in NAMES if re.search(rf"\b{name}\b", words)]
            if len(named) == 1:
                redder = _balance(example) > usual
                votes.append(redder != (named[0] == "red"))
        if len(votes) < FEWEST or (share := float(np.mean(votes))) < SURE:
            return
        yield Diagnosis(
            "error",
            "channels swapped",
            f"Of {len(votes):,} pictures whose words say red or blue, {share:.0%} have the other "
            "one of these colours.",
            "Red and blue were swapped, as by a program that writes BGR. Swap the channels of the "
            "files.",
            weight=0.95,
        )


def _balance(picture: np.ndarray) -> float:
    """How much redder than blue a picture is."""
    return float(picture[0].mean(dtype=np.float64) - picture[2].mean(dtype=np.float64))
