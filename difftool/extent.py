"""Extent: where the encoded examples of a data set lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

MEASURED = "extent"
"""Its name among the measurements of a description."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A region that holds the examples, in model units.

    It is convex. The mean of any examples lies in it, and so does the exact estimate of x0 at every
    noise level, which is such a mean.

    Attributes:
        rms: the largest root mean square of an example over its degrees of freedom.
        low, high: the smallest and the largest value.
    """

    rms: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_measured(cls, measured: Mapping[str, Any]) -> Self | None:
        """The extent in the measurements of a description; None if it was not measured."""
        found = measured.get(MEASURED)
        return found and cls(**found)
