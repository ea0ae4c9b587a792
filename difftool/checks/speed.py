"""speed: whether the device waits for the loader."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from ..verdict import Case, Check, Diagnosis

ENOUGH = 1.5
"""Speed of the loader over that of training, below which the device waits for it."""


class Speed(Check):
    """A loader that is hardly faster than training makes the device wait."""

    needs = ("training", "loading")

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.training is not None
        assert case.loading is not None
        speeds = [row["examples_per_second"] for row in case.training.rows[-20:]]
        trained = statistics.median(speeds) if speeds else 0.0
        if trained > 0 and case.loading < ENOUGH * trained:
            yield Diagnosis(
                "warning",
                "slow loader",
                f"The loader serves {case.loading:,.0f} examples a second, and training takes "
                f"{trained:,.0f}.",
                "The device waits for data. Put the cache (DIFFTOOL_CACHE) on a fast local disk, "
                "use fewer augmentations, or larger batches of smaller examples.",
                weight=0.5,
            )
