"""waveform: the samples themselves, scaled for diffusion."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from difftool import Batch, Description, Euclidean, Options, Representation

from .level import to_float, to_int16, to_int16_around

RMS = 0.5
"""What the root mean square of real samples is brought to: the sigma_data that processes expect."""

QUIETEST = 1e-3
"""Root mean square below which data is not made louder: -60 dB of full scale, where there is next
to nothing but hiss.
"""


class Waveform(Representation):
    """Samples times one factor, which is measured, because recordings rarely use their full scale.

    Every bit is kept.
    """

    oscillates = True

    def __init__(self, options: Options | None, description: Description) -> None:
        del options
        self.shape = description.shape
        self.space = Euclidean()
        self.scale = float(description.measured.get("scale", 1.0))

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """The factor, from the power of all real samples; 1 until it is measured."""
        return {"scale": RMS / max(root_mean_square(map(self.encode, raw)), QUIETEST)}

    def encode(self, raw: Batch) -> Batch:
        """int16 ``[b, c, n]`` -> float32 of root mean square 0.5 over the data."""
        return raw.with_x(self.space.project(to_float(raw.x) * self.scale, raw.mask))

    def decode(self, batch: Batch) -> Batch:
        """float32 ``[b, c, n]`` -> int16; an example that is too loud is turned down."""
        return batch.with_x(to_int16(self._sound(batch)))

    def decode_around(self, batch: Batch, raw: Batch) -> Batch:
        """Like ``decode``; what is too loud beside known samples is cut off."""
        if raw.observed is None:
            return self.decode(batch)
        return batch.with_x(to_int16_around(self._sound(batch)))

    def _sound(self, batch: Batch) -> Tensor:
        return self.space.project(batch.x.float() / self.scale, batch.mask)


def root_mean_square(encoded: Iterable[Batch]) -> float:
    """Over all real entries of all batches; padding must be 0."""
    power = count = 0.0
    for batch in encoded:
        power += batch.x.double().square().sum().item()
        count += (
            batch.x.numel() if batch.mask is None else batch.mask.expand_as(batch.x).sum().item()
        )
    return math.sqrt(power / max(count, 1))
