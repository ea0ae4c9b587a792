"""pixels: bytes <-> numbers from -1 to 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from difftool import Batch, Description, Euclidean, Options, Representation


class Pixels(Representation):
    """0 is -1 and 255 is 1; grey, colour and transparency alike."""

    def __init__(self, options: Options | None, description: Description) -> None:
        del options
        self.shape = description.shape
        self.space = Euclidean()

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return {}

    def encode(self, raw: Batch) -> Batch:
        """uint8 ``[b, c, h, w]`` -> float32 in [-1, 1]."""
        return raw.with_x(raw.x.float() * (2 / 255) - 1)

    def decode(self, batch: Batch) -> Batch:
        """float32 ``[b, c, h, w]`` -> uint8, to the nearest, clipped."""
        return batch.with_x(
            batch.x.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        )
