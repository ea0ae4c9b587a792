"""Resampling along an axis.

An entry of the low example stands for ``factor`` entries of the other, the last one possibly for
fewer. An area mean lies in the middle of its entries; every n-th entry and a band of frequencies
lie on the first. Edges are extended by their last entry, so a constant stays constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CROSSINGS = 24
"""Zeros of the sinc on each side. The lowest 0.9 of the band passes unchanged, without aliasing."""


def area(t: Tensor, factor: int) -> Tensor:
    """``[..., n] -> [..., ceil(n / factor)]``: means of neighbours."""
    return edged(t, 0, -t.shape[-1] % factor).unflatten(-1, (-1, factor)).mean(-1)


def every(t: Tensor, factor: int) -> Tensor:
    """``[..., n] -> [..., ceil(n / factor)]``: the first of each ``factor``."""
    return t[..., ::factor]


def band(t: Tensor, factor: int) -> Tensor:
    """``[..., n] -> [..., ceil(n / factor)]``: ``every`` after a low-pass filter at the new Nyquist
    rate.
    """
    reach = CROSSINGS * factor
    kernel = _sinc(torch.arange(-reach, reach + 1, device=t.device) / factor)
    return _convolved(edged(t, reach, reach), (kernel / kernel.sum())[None, None], factor).squeeze(
        -2
    )


def linear(t: Tensor, factor: int, offset: float) -> Tensor:
    """``[..., n] -> [..., n factor]``: linear interpolation.

    Args:
        offset: position of an entry among those that it stands for.
    """
    n = t.shape[-1]
    halves = 2 * torch.arange(n * factor, device=t.device) - round(
        2 * offset
    )  # whole numbers: single precision runs out of places
    before = halves.div(2 * factor, rounding_mode="floor")
    share = (halves - 2 * factor * before) / (2 * factor)
    return torch.lerp(t[..., before.clamp(min=0)], t[..., (before + 1).clamp(max=n - 1)], share)


def nearest(t: Tensor, factor: int, offset: float) -> Tensor:
    """``[..., n] -> [..., n factor]``: each entry repeated."""
    del offset
    return t.repeat_interleave(factor, -1)


def smooth(t: Tensor, factor: int, offset: float) -> Tensor:
    """``[..., n] -> [..., n factor]``: band-limited interpolation by a windowed sinc."""
    place = (torch.arange(factor, device=t.device) - offset)[:, None] / factor
    kernel = _sinc(torch.arange(-CROSSINGS, CROSSINGS + 1, device=t.device) - place)
    return _convolved(
        edged(t, CROSSINGS, CROSSINGS), (kernel / kernel.sum(1, keepdim=True))[:, None]
    ).mT.flatten(-2)


def alone(t: Tensor, factor: int, offset: float) -> Tensor:
    """``[..., n] -> [..., n factor]``: each entry followed by zeros."""
    del offset
    return F.pad(t.unsqueeze(-1), (0, factor - 1)).flatten(-2)


DOWN: dict[str, Callable[[Tensor, int], Tensor]] = {"area": area, "every": every, "sinc": band}
UP: dict[str, Callable[[Tensor, int, float], Tensor]] = {
    "linear": linear,
    "nearest": nearest,
    "sinc": smooth,
}
BACK = {"area": nearest, "every": alone, "sinc": smooth}
"""The pseudo-inverse of each method of ``DOWN``; for a band, approximately."""


@dataclass(frozen=True, slots=True)
class Axis:
    """How one axis is resampled. Padding is replaced by the last real entry before it.

    Attributes:
        at: the axis of a batch.
        down, up: keys of ``DOWN`` and ``UP``.
    """

    at: int
    factor: int
    down: str
    up: str

    def fewer(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """``x`` float, and its mask: an entry is real where the first of those that it stands for
        is.
        """
        way = DOWN[self.down]
        return self._through(x, mask, lambda t: way(t, self.factor)), self._masked(
            mask, lambda t: every(t, self.factor)
        )

    def more(self, x: Tensor, mask: Tensor | None, n: int) -> tuple[Tensor, Tensor | None]:
        """``n`` entries of ``x`` float, at most ``factor`` times its own, and its mask."""
        way, offset = UP[self.up], (self.factor - 1) / 2 if self.down == "area" else 0.0
        x = self._through(x, mask, lambda t: way(t, self.factor, offset)[..., :n])
        return x, self._masked(mask, lambda t: nearest(t, self.factor, offset)[..., :n])

    def back(self, x: Tensor, mask: Tensor | None, n: int) -> tuple[Tensor, Tensor | None]:
        """``n`` entries of ``x`` float, of which ``fewer`` makes ``x`` again, and its mask."""
        way = BACK[self.down]
        x = self._through(x, mask, lambda t: way(t, self.factor, 0.0)[..., :n])
        return x, self._masked(mask, lambda t: nearest(t, self.factor, 0.0)[..., :n])

    def blurred(self, x: Tensor, mask: Tensor | None, width: Tensor, widest: float) -> Tensor:
        """``x`` float with a Gaussian of ``width [b]`` entries, at most ``widest``."""
        return self._through(x, mask, lambda t: blurred(t, width, widest))

    def _through(self, x: Tensor, mask: Tensor | None, way: Callable[[Tensor], Tensor]) -> Tensor:
        return way(filled(x, mask, self.at).movedim(self.at, -1)).movedim(-1, self.at)

    def _masked(self, mask: Tensor | None, way: Callable[[Tensor], Tensor]) -> Tensor | None:
        """The mask, resampled unless it is the same along the axis."""
        return (
            mask
            if mask is None or mask.shape[self.at] == 1
            else way(mask.movedim(self.at, -1)).movedim(-1, self.at)
        )


def blurred(t: Tensor, width: Tensor, widest: float) -> Tensor:
    """``t [b, ..., n]`` under a Gaussian of ``width [b]`` entries, at most ``widest``: each example
    under its own.
    """
    reach = math.ceil(3 * widest)
    places = torch.arange(-reach, reach + 1, device=t.device)
    kernel = torch.softmax(-0.5 * (places / width.clamp_min(1e-3)[:, None]).square(), 1)
    rows = edged(t, reach, reach).flatten(1, -2).movedim(1, 0)
    return F.conv1d(rows, kernel[:, None], groups=len(t)).movedim(0, 1).reshape(t.shape)


def edged(t: Tensor, before: int, after: int) -> Tensor:
    """``[..., n] -> [..., before + n + after]``: extended by the first and the last entry."""
    return torch.cat(
        (t[..., :1].expand(*t.shape[:-1], before), t, t[..., -1:].expand(*t.shape[:-1], after)), -1
    )


def filled(x: Tensor, mask: Tensor | None, axis: int) -> Tensor:
    """``x`` with padding replaced by the last real entry before it along the axis."""
    if mask is None:
        return x
    places = torch.arange(x.shape[axis], device=x.device).reshape(-1, *(1,) * (x.ndim - 1 - axis))
    return x.gather(axis, torch.where(mask, places, 0).cummax(axis).values.expand_as(x))


def precise(device: torch.device) -> torch.dtype:
    """The most exact type that a device computes in."""
    return torch.float32 if device.type == "mps" else torch.float64


def _sinc(u: Tensor) -> Tensor:
    """The sinc under a Hann window that ends beyond its last zero."""
    window = torch.cos(u * (math.pi / (2 * CROSSINGS + 2))).square()
    return torch.where(u.abs() < CROSSINGS + 1, torch.sinc(u) * window, 0.0)


def _convolved(t: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """``[..., n]`` with ``kernel [c, 1, taps]`` -> ``[..., c, places]``.

    In double precision where the device has it: accelerators may round what single precision
    multiplies to ten bits, which is heard.
    """
    exact = precise(t.device)
    rows = F.conv1d(t.reshape(-1, 1, t.shape[-1]).to(exact), kernel.to(exact), stride=stride)
    return rows.to(t.dtype).unflatten(0, t.shape[:-1])
