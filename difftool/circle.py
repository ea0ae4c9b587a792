"""Circles: D of examples whose last entry along an axis is followed by the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from .denoiser import Cond, D
from .nn.backbone import Signals
from .tiles import bump


class Circular:
    """A denoiser for examples that go round. Called like the denoiser it wraps.

    Two windows go round the circle, half of it apart, so that the end of each is the middle of the
    other. Their estimates are blended as those of tiles (``Tiled``), with weights of zero at the
    ends: no entry is estimated as one at an edge. White noise needs no change, for it is the same
    from wherever the circle is read.

    Args:
        axes: of ``x``, along which it goes round. Each doubles the evaluations.
    """

    def __init__(self, denoiser: D, axes: Sequence[int]) -> None:
        self._denoiser, self._axes = denoiser, tuple(axes)

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def signals(self, cond: Cond) -> Signals:
        return self._denoiser.signals(cond)

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        weights = self._weights(x)
        total, share = torch.zeros_like(x), torch.zeros_like(weights)
        for shifts in product(*((0, x.shape[axis] // 2) for axis in self._axes)):
            weight = weights.roll(shifts, self._axes)
            total = total + weight * self._from(shifts, x, sigma, signals, mask)
            share = share + weight
        return total / share

    def _from(
        self,
        shifts: tuple[int, ...],
        x: Tensor,
        sigma: Tensor,
        signals: Signals,
        mask: Tensor | None,
    ) -> Tensor:
        """D of the circle, read from ``shifts`` on."""

        def read(t: Tensor) -> Tensor:
            return t.roll([-n for n in shifts], self._axes)

        channels = signals.channels
        if channels is not None:  # only they have positions
            signals = Signals(**{**signals.tensors(), "channels": read(channels)})
        x0 = self._denoiser(read(x), sigma, signals, None if mask is None else read(mask))
        return x0.roll(shifts, self._axes)

    def _weights(self, x: Tensor) -> Tensor:
        """Of the window that begins at 0."""
        weights = x.new_ones((1,) * x.ndim)
        for axis in self._axes:
            along = bump(x.shape[axis]).to(x)
            weights = weights * along.reshape(-1, *(1,) * (x.ndim - 1 - axis))
        return weights
