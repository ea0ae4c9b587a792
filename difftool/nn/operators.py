"""Maps that are computed from an example, to control samples by: edges, the mean, an outline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Operator = Literal["edges", "mean", "outline"]


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


def _difference(x: Tensor, axis: int) -> Tensor:
    """Half the difference of both neighbours; at an end, of the end and its neighbour."""
    last = x.movedim(axis, -1)
    flat = F.pad(last.flatten(1, -2), (1, 1), "replicate").reshape(*last.shape[:-1], -1)
    return ((flat[..., 2:] - flat[..., :-2]) / 2).movedim(-1, axis)


OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "edges": edges,
    "mean": mean,
    "outline": outline,
}


def mapped(operator: str, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """The map of examples in model units; zeros on padding."""
    found = OPERATORS[operator](x)
    return found if mask is None else found * mask.any(1, keepdim=True).to(found.dtype)
