"""noise: whether the noise levels fit the data, and whether those that are visited were trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..verdict import Case, Check, Diagnosis
from ..verdict.case import Noise

HIGH, FAR_HIGH = 0.7, 1.5
"""Size of the data along their largest direction over the highest level, above which samples begin
from other noise than training ends with.
"""

LOW = 0.1
"""Lowest level over the spread of an entry, above which noise can be seen in samples."""

WASTED = 0.3
"""Share of training at levels that are never needed."""

UNTRAINED = 0.15
"""Share of the visited levels that training hardly draws."""

RARE = 0.002
"""Share of draws beyond a level, below which it is hardly trained."""


class NoiseRange(Check):
    """The range of noise levels beside the data.

    The highest level should hide the largest differences of the data (Song and Ermon 2020,
    arXiv:2006.09011, Technique 1), and the lowest one should be below what can be seen.
    """

    needs = ("noise",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.noise is not None
        one = case.noise
        if (size := one.strongest / one.highest) > HIGH:
            yield Diagnosis(
                "error" if size > FAR_HIGH else "warning",
                "noise too low",
                f"The highest noise level is {one.highest:.3g}, and the data are as large as "
                f"{one.strongest:.3g} along one direction.",
                "At this level an example can still be seen through the noise, but samples start "
                "from noise alone, so their large structure is wrong.",
                f"difftool train … --set schedule.sigma_max={5 * one.strongest:.2g}",
                weight=0.9,
            )
        if one.lowest > LOW * one.spread:
            yield Diagnosis(
                "warning",
                "noise left",
                f"The lowest noise level is {one.lowest:.3g}, and the values of the data spread by "
                f"{one.spread:.3g}.",
                "Details below this level are never learnt, so samples look washed out.",
                f"difftool train … --set schedule.sigma_min={one.spread / 250:.2g}",
                weight=0.7,
            )
        yield from _untrained(one)
        yield from _wasted(one)


def _untrained(one: Noise) -> Iterator[Diagnosis]:
    below = np.searchsorted(one.trained, one.visited) / len(one.trained)
    missed = one.visited[np.minimum(below, 1 - below) < RARE]
    # beyond these, almost everything is noise, or almost nothing is
    needed = (missed > one.spread / 30) & (missed < 2 * one.strongest)
    inner = missed[needed & (missed > one.lowest) & (missed < one.highest)]
    share = len(inner) / max(1, len(one.visited))
    if share > UNTRAINED:
        low, high = np.quantile(one.trained, [RARE, 1 - RARE])
        yield Diagnosis(
            "error" if share > 2 * UNTRAINED else "warning",
            "levels not trained",
            f"Of {len(one.visited):,} noise levels that the sampler visits, {share:.0%} are hardly "
            f"trained on: training draws levels from {low:.2g} to {high:.2g}, and these lie between "
            f"{inner.min():.2g} and {inner.max():.2g}.",
            "The density of noise levels does not fit the schedule.",
            "difftool train … --set density.p_mean=-0.4 --set density.p_std=1.2",
            weight=0.85,
        )


def _wasted(one: Noise) -> Iterator[Diagnosis]:
    high = float((one.trained > 3 * one.apart).mean())
    low = float((one.trained < one.spread / 500).mean())
    if max(high, low) < WASTED:
        return
    where, share = ("above", high) if high > low else ("below", low)
    level = 3 * one.apart if high > low else one.spread / 500
    yield Diagnosis(
        "warning",
        "levels not needed",
        f"{share:.0%} of the training is at noise levels {where} {level:.2g}, where "
        + ("nothing of an example is left." if where == "above" else "no noise can be seen."),
        "The steps are wasted there: move the density of noise levels to where the data are.",
        "difftool train … --set density.p_mean=-0.4 --set density.p_std=1.2",
        weight=0.3 + share / 2,
    )
