"""Experts: several denoisers for one model, each for a range of noise levels.

Balaji et al. 2022, arXiv:2211.01324.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .denoiser import Denoiser
from .process.process import Density, Schedule

NEAR = 1 + 1e-6
"""Ratio below which two levels count as equal, because the ends of schedules are rounded."""


class Expert(NamedTuple):
    """A denoiser that replaces the model's own at noise levels lower than ``below``.

    Attributes:
        density: the noise levels of its training.
    """

    below: float
    denoiser: Denoiser
    density: Density


class ServedRange(NamedTuple):
    """A denoiser's name, the level below which it serves, and its training levels."""

    name: str
    below: float
    density: Density


def untrained_levels(schedule: Schedule, ranges: Sequence[ServedRange]) -> str | None:
    """Why these denoisers cannot serve a schedule, as a message; None if they can.

    They cannot if one of them would serve levels that it was not trained on, or none at all.

    Args:
        ranges: in any order; the first to serve has an infinite ``below``.
    """
    ordered = sorted(ranges, key=lambda served: -served.below)
    for served, after in zip(ordered, [*ordered[1:], None], strict=True):
        if served.below <= schedule.sigma_min:
            return (
                f"{served.name} would never take over: the lowest level of sampling is "
                f"{schedule.sigma_min:g}."
            )
        low = max(after.below if after else 0.0, schedule.sigma_min)
        high = min(served.below, schedule.sigma_max)
        if low < high and (served.density.low > low * NEAR or served.density.high * NEAR < high):
            return (
                f"{served.name} was trained on noise {range_of(served.density)} only, but would "
                f"serve from {high:g} down to {low:g}."
            )
    return None


def range_of(density: Density) -> str:
    """The range of a density in words; empty for the whole range."""
    words = [f"above {density.low:g}"] * (density.low > 0) + [f"below {density.high:g}"] * (
        density.high < math.inf
    )
    return " and ".join(words)
