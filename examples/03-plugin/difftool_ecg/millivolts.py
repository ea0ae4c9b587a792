"""millivolts: the signal itself, scaled to about unit variance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from difftool import Batch, Description, Euclidean, Representation

from .options import ScaleOptions

LIMIT = 10.0
"""Millivolts that no heart exceeds."""


class Millivolts(Representation):
    """``[b, 1, n]`` <-> ``[b, 1, n]``."""

    def __init__(self, options: ScaleOptions, description: Description) -> None:
        self.scale = options.scale
        self.shape = description.shape
        self.space = Euclidean()

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        # Statistics that encode() needs, such as a mean; they arrive in description.measured.
        return {}

    def encode(self, raw: Batch) -> Batch:
        return raw.with_x(raw.x.float() * self.scale)

    def decode(self, batch: Batch) -> Batch:
        return batch.with_x((batch.x / self.scale).clamp(-LIMIT, LIMIT))
