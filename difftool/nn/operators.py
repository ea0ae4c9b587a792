"""Maps that are computed from an example, to control samples by: edges, the mean, an outline, a melody.

Those of points do not change when the points are turned or moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError

FILE = "file"
"""The operator of maps that are files of their own, which is the identity."""

STRONG = 2 / 3
"""Share of the way from the weakest to the strongest band from which a peak counts: at a half noise
counts too, at 0.8 the fundamental of some notes is missed.
"""


def edges(x: Tensor) -> Tensor:
    """``[b, c, ...] -> [b, 1, ...]``: the steepest slope of any channel, by central differences.

    tanh keeps strong edges alike, whatever the contrast.
    """
    slopes = [_difference(x, axis).square() for axis in range(2, x.ndim)]
    return torch.tanh(2 * torch.stack(slopes).sum(0).amax(1, keepdim=True).sqrt())


def mean(x: Tensor) -> Tensor:
    """``[b, c, ...] -> [b, 1, ...]``: the mean of the channels, such as a grey picture."""
    return x.mean(1, keepdim=True)


def outline(x: Tensor) -> Tensor:
    """``[b, c, ..., n] -> [b, 1, ..., n]``: the mean at each place of the last axis, such as the
    loudness of a spectrogram over time.
    """
    return x.mean(tuple(range(1, x.ndim - 1)), keepdim=True).expand_as(x[:, :1])


def melody(x: Tensor) -> Tensor:
    """``[b, c, bands, n] -> [b, 1, bands, n]``: the lowest strong peak of each time, else 0: what a
    spectrogram sings, without its timbre; nothing where it is quieter than on average.

    Copet et al. 2023, arXiv:2306.05284, Sec. 2.3, take the strongest pitch of each time. Here bands
    are equally strong on average, so a harmonic may be stronger than what it belongs to.
    """
    x = mean(x)
    weakest, strongest = x.amin(2, keepdim=True), x.amax(2, keepdim=True)
    beside = F.pad(x, (0, 0, 1, 1), value=-torch.inf)
    peak = (x >= beside[:, :, :-2]) & (x >= beside[:, :, 2:])
    peak &= x >= weakest + STRONG * (strongest - weakest)
    loud = strongest > x.mean((2, 3), keepdim=True)
    lowest = (peak & (peak.cumsum(2) == 1) & loud).to(x.dtype)
    return lowest * math.sqrt(x.shape[2])


def _difference(x: Tensor, axis: int) -> Tensor:
    """Half the difference of both neighbours; at an end, of the end and its neighbour."""
    last = x.movedim(axis, -1)
    flat = F.pad(last.flatten(1, -2), (1, 1), "replicate").reshape(*last.shape[:-1], -1)
    return ((flat[..., 2:] - flat[..., :-2]) / 2).movedim(-1, axis)


def radius(x: Tensor, places: int) -> Tensor:
    """``[b, n, f] -> [b, 1, n]``: how far each point is from the centre, which is 0.

    Args:
        places: how many of the first entries of a point are its place.
    """
    return x[..., :places].norm(dim=-1).unsqueeze(1)


def features(x: Tensor, places: int) -> Tensor:
    """``[b, n, f] -> [b, f - places, n]``: what each point is, without where."""
    return x[..., places:].mT


def itself(x: Tensor) -> Tensor:
    """The map of a file is the file."""
    return x


OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "edges": edges,
    "mean": mean,
    "outline": outline,
    "melody": melody,
    FILE: itself,
}

OF_POINTS: dict[str, Callable[[Tensor, int], Tensor]] = {"outline": radius, "features": features}


def require_operator(operator: str, shape: Sequence[int | None], places: int) -> None:
    """Raise UsageError for a map that examples of this kind do not have.

    Args:
        shape: of an encoded example.
        places: entries of a point that are its place; 0 for examples on a grid.
    """
    known = OF_POINTS if places else OPERATORS
    if operator not in known:
        raise UsageError(
            f"objective.operator = {operator!r} is not a map of {'points' if places else 'grids'}. "
            f"Choose one of {', '.join(known)}."
        )
    if operator == "melody" and len(shape) != 3:
        raise UsageError(
            "objective.operator = 'melody' needs bands over time, and an "
            f"encoded example has {len(shape) - 1} axes beside its channels. Choose outline."
        )


def width_of(operator: str, shape: Sequence[int | None], places: int) -> int:
    """The channels of a map of examples of this encoded shape."""
    if operator == FILE:
        return int(shape[0] or 0)
    return int(shape[-1] or 0) - places if operator == "features" else 1


def mapped(operator: str, x: Tensor, mask: Tensor | None = None, places: int = 0) -> Tensor:
    """The map of examples in model units, zeros on padding: ``[b, channels, ...]`` at their positions.

    Args:
        places: entries of a point that are its place; 0 for examples on a grid.
    """
    if places:
        found = OF_POINTS[operator](x, places)
        return found if mask is None else found * mask.mT.to(found.dtype)
    found = OPERATORS[operator](x)
    return found if mask is None else found * mask.any(1, keepdim=True).to(found.dtype)
