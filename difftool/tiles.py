"""Tiles: D of large examples, blended from estimates of overlapping tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from .batch import Batch, together
from .denoiser import D
from .nn.backbone import Signals
from .wrapper import Wrapper


class Window(NamedTuple):
    """The position of a tile.

    Attributes:
        corner: first position along each axis.
        weights: ``[size]`` for each axis; their product weighs the estimate at each position.
    """

    corner: tuple[int, ...]
    weights: tuple[Tensor, ...]


class Tiled(Wrapper):
    """A denoiser that blends the estimates of tiles of one size.

    The estimate is the mean of the tiles' estimates, weighted by a smooth bump over each tile: the
    closed-form least squares of MultiDiffusion (Bar-Tal et al. 2023, arXiv:2302.08113, Eq. 5).
    MultiDiffusion averages the results of a sampler step, with equal weights, and each tile has its
    own noise. Here x0 is averaged, before the solver: x, the noise and the solver's state belong to
    one large sample. So overlaps do not average noise away, and any solver works.

    Guidance wraps this denoiser, and operates on whole examples.

    Args:
        tile: sizes, one for each axis of ``x`` after its channels. A tile is never longer than the
            axis.
        overlap: smallest share of a tile that the next tile covers too.
        most: largest number of tiles in one call of the network.
    """

    def __init__(self, denoiser: D, tile: Sequence[int], overlap: float, most: int) -> None:
        super().__init__(denoiser)
        self._tile, self._overlap, self._most = tuple(tile), overlap, most
        self._known: dict[tuple[torch.Size, torch.device], list[Window]] = {}

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        windows, batch, total = (
            list(enumerate(self._windows(x))),
            Batch(x, signals.tensors(), mask),
            torch.zeros_like(x),
        )
        memories = list[Tensor]()
        for at in range(0, len(x), self._most):
            part, level, sums = (
                batch.part(at, self._most),
                sigma[at : at + self._most],
                total[at : at + self._most],
            )
            each = max(1, self._most // len(part))
            found = [
                memory
                for first in range(0, len(windows), each)
                for memory in self._add(sums, part, level, windows[first : first + each])
            ]
            memories += [torch.stack(found, 1)] if found else []
        return total, torch.cat(memories) if memories else None

    def _add(
        self, total: Tensor, batch: Batch, sigma: Tensor, windows: Sequence[tuple[int, Window]]
    ) -> Sequence[Tensor]:
        """Add the weighted estimates of these tiles of each example; returns the memory of each."""
        tiles = [self._cut(batch, place, window) for place, window in windows]
        cut = together(tiles)
        estimates, memory = self._evaluated(
            cut.x, sigma.repeat(len(tiles)), Signals(**cut.cond), cut.mask
        )
        for (_, window), tile, x0 in zip(windows, tiles, estimates.split(len(batch)), strict=True):
            if tile.mask is not None:
                # on padding the network's output is arbitrary, even NaN
                x0 = torch.where(tile.mask, x0, 0.0)
            for axis, weights in enumerate(window.weights, 2):
                x0 = x0 * weights.reshape(-1, *(1,) * (x0.ndim - 1 - axis))
            _at(total, total.shape, window).add_(x0)
        return () if memory is None else memory.split(len(batch))

    def _cut(self, batch: Batch, place: int, window: Window) -> Batch:
        b, shape = len(batch), batch.x.shape
        mask = (
            None
            if batch.mask is None
            else _at(batch.mask, shape, window).expand(b, *(-1,) * (len(shape) - 1))
        )
        signals = Signals(**batch.cond).seen_from(place).tensors()
        if "channels" in signals:  # only they have positions
            signals["channels"] = _at(signals["channels"], shape, window)
        return Batch(_at(batch.x, shape, window), signals, mask)

    def _windows(self, x: Tensor) -> list[Window]:
        """All tiles of examples of this size."""
        if (key := (x.shape[2:], x.device)) not in self._known:
            axes = [
                _along(n, size, self._overlap, x)
                for n, size in zip(x.shape[2:], self._tile, strict=True)
            ]
            self._known[key] = [Window(*zip(*places, strict=True)) for places in product(*axes)]
        return self._known[key]


def starts(n: int, size: int, overlap: float) -> list[int]:
    """The starts of windows of ``size`` that cover ``n`` entries.

    Neighbours overlap by a share of at least ``overlap``. The starts are equally spaced, so that a
    network that halves resolutions sees entries aligned as in training; the last window is moved
    inwards.
    """
    last = max(n - size, 0)
    return [*range(0, last, max(1, int(size * (1 - overlap)))), last]


def blend(n: int, size: int, at: Sequence[int]) -> Tensor:
    """Blending weights ``[windows, size]`` of windows that start at ``at`` and cover ``n`` entries.

    Each window has a smooth bump; the weights at each entry sum to one.
    """
    weights = bump(size)
    total = torch.zeros(n, dtype=torch.float64)
    for start in at:
        total[start : start + size] += weights
    return torch.stack([weights / total[start : start + size] for start in at])


def bump(size: int) -> Tensor:
    """``[size]``: a smooth rise from about zero and back, by which a window's estimate counts."""
    return torch.sin((torch.arange(size, dtype=torch.float64) + 0.5) * (math.pi / size)).square()


def _along(n: int, size: int, overlap: float, x: Tensor) -> list[tuple[int, Tensor]]:
    """The start and the weights of each window of an axis, on the device of ``x``."""
    at = starts(n, min(n, size), overlap)
    return list(zip(at, blend(n, min(n, size), at).to(x.device, x.dtype), strict=True))


def _at(t: Tensor, shape: Sequence[int], window: Window) -> Tensor:
    """The part of a tensor under a window of an ``x`` of this shape; axes of size 1 stay whole."""
    for axis, (start, weights) in enumerate(zip(window.corner, window.weights, strict=True), 2):
        t = t if t.shape[axis] == 1 < shape[axis] else t.narrow(axis, start, len(weights))
    return t
