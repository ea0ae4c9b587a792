"""Circles: D of examples whose last entry along an axis is followed by the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from .denoiser import D
from .nn.backbone import Signals
from .tiles import bump
from .wrapper import Wrapper


class Circular(Wrapper):
    """A denoiser for examples that go round.

    Two windows go round the circle, half of it apart, so that the end of each is the middle of the
    other. Their estimates are blended as those of tiles (``Tiled``), with weights of zero at the
    ends: no entry is estimated as one at an edge. White noise needs no change, for it is the same
    from wherever the circle is read.

    Args:
        axes: of ``x``, along which it goes round. Each doubles the evaluations.
    """

    def __init__(self, denoiser: D, axes: Sequence[int]) -> None:
        super().__init__(denoiser)
        self._axes = tuple(axes)

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        weights = self._weights(x)
        total, share, memories = torch.zeros_like(x), torch.zeros_like(weights), list[Tensor]()
        for shifts in product(*((0, x.shape[axis] // 2) for axis in self._axes)):
            weight, own = weights.roll(shifts, self._axes), signals.seen_from(len(memories))
            x0, memory = self._from(shifts, x, sigma, own, mask)
            total = total + weight * x0
            share = share + weight
            memories += [] if memory is None else [memory]
        return total / share, torch.stack(memories, 1) if memories else None

    def _from(
        self,
        shifts: tuple[int, ...],
        x: Tensor,
        sigma: Tensor,
        signals: Signals,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """D of the circle, read from ``shifts`` on, and its memory of that view."""

        def read(t: Tensor) -> Tensor:
            return t.roll([-n for n in shifts], self._axes)

        channels = signals.channels
        if channels is not None:  # only they have positions
            signals = replace(signals, channels=read(channels))
        x0, memory = self._evaluated(read(x), sigma, signals, None if mask is None else read(mask))
        return x0.roll(shifts, self._axes), memory

    def _weights(self, x: Tensor) -> Tensor:
        """Of the window that begins at 0."""
        weights = x.new_ones((1,) * x.ndim)
        for axis in self._axes:
            along = bump(x.shape[axis]).to(x)
            weights = weights * along.reshape(-1, *(1,) * (x.ndim - 1 - axis))
        return weights
