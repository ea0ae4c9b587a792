"""Lossy compression by rounded block coefficients, as in JPEG (ITU-T T.81)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..shapes import expand_as
from .resampling import edged, filled, precise

BLOCK = 8
"""Entries of a block along each axis."""


def compressed(x: Tensor, mask: Tensor | None, axes: Sequence[int], strength: Tensor) -> Tensor:
    """``x [b, ...]`` float, each example at its own ``strength [b]``; anything on padding.

    Blocks along all ``axes`` are transformed by the orthonormal DCT-II, and their coefficients are
    rounded to multiples of a quantiser step: ``strength`` eighths of the example's standard
    deviation times the sum of the coefficient's frequencies. For 8-bit data of usual contrast,
    strength 1 is about the luminance table of JPEG (Annex K.1), quality 50; 5 is about quality 10.
    The mean of a block is kept. Incomplete blocks and padding are filled with the last real entry.
    """
    step = strength * _spread(x, mask) / BLOCK
    c = x
    for axis in axes if mask is None else [axis for axis in axes if mask.shape[axis] > 1]:
        c = filled(c, mask, axis)
    matrix = _dct(x.device)
    for axis in axes:
        c = edged(c.movedim(axis, -1), 0, -x.shape[axis] % BLOCK).movedim(-1, axis)
        c = _turned(c, axis, matrix)
    steps = expand_as(step, c) * _frequencies(c, axes)
    c = torch.where(steps > 0, (c / steps).round() * steps, c)
    for axis in axes:
        c = _turned(c, axis, matrix.mT).narrow(axis, 0, x.shape[axis])
    return c


def _dct(device: torch.device) -> Tensor:
    """``[frequency, entry]``: the orthonormal DCT-II   (Ahmed et al. 1974).

    In double precision where the device has it: accelerators may round what single precision
    multiplies to ten bits.
    """
    k, i = torch.meshgrid(
        *(torch.arange(BLOCK, device=device, dtype=precise(device)),) * 2, indexing="ij"
    )
    matrix = torch.cos(k * (2 * i + 1) * (math.pi / (2 * BLOCK))) * math.sqrt(2 / BLOCK)
    return torch.where(k == 0, math.sqrt(1 / BLOCK), matrix)


def _turned(x: Tensor, axis: int, matrix: Tensor) -> Tensor:
    """Each block of an axis times the matrix."""
    blocks = x.movedim(axis, -1).unflatten(-1, (-1, BLOCK)).to(matrix)
    return (blocks @ matrix.mT).to(x.dtype).flatten(-2).movedim(-1, axis)


def _frequencies(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The sum of each coefficient's frequencies along the axes, to be broadcast to ``x``."""
    total = x.new_zeros((1,) * x.ndim)
    for axis in axes:
        along = torch.arange(x.shape[axis], device=x.device, dtype=x.dtype) % BLOCK
        total = total + along.reshape(-1, *(1,) * (x.ndim - 1 - axis))
    return total


def _spread(x: Tensor, mask: Tensor | None) -> Tensor:
    """``[b]``: the standard deviation of each example's real entries."""
    real = torch.ones_like(x) if mask is None else mask.to(x.dtype).expand_as(x)
    x, real = x.flatten(1), real.flatten(1)
    count = real.sum(1, keepdim=True).clamp_min(1)
    deviation = (x - (x * real).sum(1, keepdim=True) / count) * real
    return (deviation.square().sum(1) / count.squeeze(1)).sqrt()
