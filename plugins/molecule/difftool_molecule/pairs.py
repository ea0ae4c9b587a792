"""All pairs of points of an example: how far apart they are, in which direction, and which of them
count.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .centred import centre

TINY = 1e-8  # keeps the slope of the root finite where two points meet


class Company(NamedTuple):
    """Who is there.

    Attributes:
        real: ``[b, n, 1]``, 1 for a point and 0 for padding.
        others: ``[b, n, n]``, 1 for a pair of two different points.
        share: ``[b, 1, 1]``, what a sum over the others of a point is multiplied by.
        extents: how many places hold all points of each example, where that may be asked without
            waiting for the device; else None.
    """

    real: Tensor
    others: Tensor
    share: Tensor
    extents: tuple[int, ...] | None


class Pairs(NamedTuple):
    """Where they are.

    Attributes:
        squared: ``[b, n, n]``, squared distances.
        arrows: ``[b, n, n, 3]`` or two of these side by side, ``[b, n, n, 6]``: from j to i,
            shorter than 1; and the cross product.
    """

    squared: Tensor
    arrows: Tensor


def company(real: Tensor, mean: bool, divisor: float) -> Company:
    """``real [b, n, 1]``, truth values, for single-precision work."""
    n = real.shape[1]
    others = real & real.transpose(1, 2) & ~torch.eye(n, dtype=torch.bool, device=real.device)
    count = (real.sum(1, keepdim=True) - 1).clamp(min=1)
    share = 1 / (count if mean else torch.full_like(count, 1) * divisor)
    return Company(real, others, share, _extents(real))


def pairs(positions: Tensor, company: Company, norm_constant: float, reflections: bool) -> Pairs:
    """``positions [b, n, 3]`` -> what does not change, or turns with them, when they are turned;
    and with reflections, mirrored.
    """
    between = positions[:, :, None] - positions[:, None]
    squared = between.square().sum(-1)
    arrows = between / _length(squared, norm_constant)
    if not reflections:
        arrows = torch.cat(
            (arrows, _cross(positions - centre(positions, company.real), norm_constant)), -1
        )
    return Pairs(squared, arrows)


def _cross(positions: Tensor, norm_constant: float) -> Tensor:
    """(x_i - c) x (x_j - c), which does not turn around when all is mirrored.

    Schneuing et al. 2022, arXiv:2210.13695.
    """
    product = torch.linalg.cross(positions[:, :, None], positions[:, None])
    return product / _length(product.square().sum(-1), norm_constant)


def _length(squared: Tensor, norm_constant: float) -> Tensor:
    return ((squared + TINY).sqrt() + norm_constant).unsqueeze(-1)


def _extents(real: Tensor) -> tuple[int, ...] | None:
    """The last real point of each example, counted from 1; asked of a CPU only, which is never
    behind, and of tensors that have values.
    """
    if real.device.type != "cpu" or torch.compiler.is_compiling() or type(real) is not Tensor:
        return None
    places = torch.arange(1, real.shape[1] + 1)
    return tuple((real[:, :, 0] * places).amax(1).clamp(min=1).tolist())
