"""Experts: several denoisers for one model, each for a range of noise levels (Balaji et al. 2022, arXiv:2211.01324)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .denoiser import Denoiser
from .process.process import Density, Schedule

NEAR = 1 + 1e-6
"""Levels closer than this are the same: schedules compute their ends."""


class Expert(NamedTuple):
    """A denoiser that takes over from the model's own where there is less noise than ``below``.

    Attributes:
        density: the levels that it was trained on.
    """

    below: float
    denoiser: Denoiser
    density: Density


class ServedRange(NamedTuple):
    """What of a denoiser says when it serves: its name, the level below which it takes over, and the levels that it was trained on."""

    name: str
    below: float
    density: Density


def untrained_levels(schedule: Schedule, ranges: Sequence[ServedRange]) -> str:
    """Why these denoisers cannot serve a schedule together: levels that one of them was not trained on; "" where they can.

    Args:
        ranges: in any order; the one that begins has an infinite ``below``.
    """
    ordered = sorted(ranges, key=lambda served: -served.below)
    for served, after in zip(ordered, [*ordered[1:], None], strict=True):
        if served.below <= schedule.sigma_min:
            return f"{served.name} would never take over: sampling goes no lower than {schedule.sigma_min:g}."
        low = max(after.below if after else 0.0, schedule.sigma_min)
        high = min(served.below, schedule.sigma_max)
        if low < high and (served.density.low > low * NEAR or served.density.high * NEAR < high):
            return f"{served.name} was trained on noise {span(served.density)} only, and would serve from {high:g} down to {low:g}."
    return ""


def span(density: Density) -> str:
    """The range of a density in words, for what does not have the whole range."""
    words = [f"above {density.low:g}"] * (density.low > 0) + [f"below {density.high:g}"] * (density.high < math.inf)
    return " and ".join(words)
