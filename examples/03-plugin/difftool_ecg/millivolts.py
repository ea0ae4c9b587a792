"""millivolts: the signal itself, scaled to about unit size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from difftool import Batch, Description, Euclidean, Representation

from .options import ScaleOptions

LIMIT = 10.0
"""Millivolts that no heart exceeds."""


class Millivolts(Representation):
    """``[b, 1, n]`` both ways."""

    def __init__(self, options: ScaleOptions, description: Description) -> None:
        self.scale = options.scale
        self.shape = description.shape
        self.space = Euclidean()

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return {}  # where encoding needs the data's own mean, say, it is found here and stands in description.measured

    def encode(self, raw: Batch) -> Batch:
        return raw.with_x(raw.x.float() * self.scale)

    def decode(self, batch: Batch) -> Batch:
        return batch.with_x((batch.x / self.scale).clamp(-LIMIT, LIMIT))
