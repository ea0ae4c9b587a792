"""standard: each channel with a mean of zero and one standard deviation, both measured on the data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch
from ..description import Description
from ..representation import Representation
from ..space import Euclidean
from .options import StandardOptions

MARGIN = 0.1
"""Share of a channel's range that samples may lie outside the range of the data."""


class Standard(Representation):
    """``[b, c, ...]`` of any dtype <-> float32 ``[b, c, ...]``: (x - mean) * spread / std.

    Samples are kept to the range of the data, with a margin, so that one bad value spoils no file.
    Padding is zero in both units and is not measured.
    """

    def __init__(self, options: StandardOptions, description: Description) -> None:
        self.options, self.shape = options, description.shape
        self.space = Euclidean()
        self.dtype = getattr(torch, description.dtype)
        self.measured = description.measured

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """The mean, the standard deviation and the range of each channel, in raw units."""
        total = ChannelTotal(self.options.per_channel)
        for batch in raw:
            total.add(batch)
        return total.to_json()

    def encode(self, raw: Batch) -> Batch:
        x = (raw.x.double() - self._row("mean", raw.x)) * self._scale(raw.x)
        return raw.with_x(self.space.project(x.float(), raw.mask))

    def decode(self, batch: Batch) -> Batch:
        low, high = self._row("low", batch.x), self._row("high", batch.x)
        margin = MARGIN * (high - low)
        x = batch.x.double() / self._scale(batch.x) + self._row("mean", batch.x)
        x = self.space.project(x.clamp(low - margin, high + margin), batch.mask)
        if self.dtype.is_floating_point:
            return batch.with_x(x.to(self.dtype))
        info = torch.iinfo(self.dtype)
        return batch.with_x(x.round().clamp(info.min, info.max).to(self.dtype))

    def _scale(self, like: Tensor) -> Tensor:
        return self.options.spread / self._row("std", like)

    def _row(self, name: str, like: Tensor) -> Tensor:
        """One number per channel, ``[c, 1, ...]``."""
        row = torch.tensor(self.measured[name], dtype=torch.float64, device=like.device)
        return row.reshape(-1, *(1,) * (like.ndim - 2))


class ChannelTotal:
    """Sums over the real entries of each channel, in float64.

    Sums of squares are taken around the first mean, so that a large offset costs no digits.
    """

    def __init__(self, per_channel: bool) -> None:
        self.per_channel = per_channel
        self.count = self.shift = self.sum = self.square = torch.zeros(())
        self.low, self.high = torch.tensor(math.inf), torch.tensor(-math.inf)

    def add(self, batch: Batch) -> None:
        x = self._rows(batch.x.double().cpu())
        mask = torch.ones_like(batch.x, dtype=torch.bool) if batch.mask is None else batch.mask
        real = self._rows(mask.expand_as(batch.x).cpu())
        if not self.count.any():
            self.shift = (x * real).sum(1) / real.sum(1).clamp_min(1)
        deviation = (x - self.shift[:, None]) * real
        self.count = self.count + real.sum(1)
        self.sum = self.sum + deviation.sum(1)
        self.square = self.square + deviation.square().sum(1)
        self.low = torch.minimum(self.low, x.masked_fill(~real, math.inf).amin(1))
        self.high = torch.maximum(self.high, x.masked_fill(~real, -math.inf).amax(1))

    def to_json(self) -> dict[str, Any]:
        offset = self.sum / self.count
        variance = (self.square / self.count - offset.square()).clamp_min(0)
        # a constant channel has no scale of its own
        std = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
        found = {"mean": self.shift + offset, "std": std, "low": self.low, "high": self.high}
        return {name: row.tolist() for name, row in found.items()}

    def _rows(self, t: Tensor) -> Tensor:
        """``[b, c, ...] -> [c or 1, n]``."""
        return t.transpose(0, 1).flatten(1) if self.per_channel else t.reshape(1, -1)
