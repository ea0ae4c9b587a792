"""What files suffer: for each kind of damage, the examples that could have become this file."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

Project = Callable[[Tensor], Tensor]
"""``project(x0) -> x0``: the nearest example that would have become the file by the damage."""

STEADY = 1e-3
"""Squared attenuation below which a blurred detail is not brought back."""

MIDDLE = 1 / 255
"""The level that is subtracted before the cosine transform, 128 of 0 to 255, in model units."""

TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Steps of quantisation of luminance at quality 50 (ITU-T T.81, Table K.1)."""


def blurred(x: Tensor, std: float, power: Callable[[Tensor], Tensor] = lambda h: h) -> Tensor:
    """``x [b, c, ...]`` through a Gaussian of ``std`` entries along all axes after the channels.

    Beyond its ends x goes on as its mirror image, so that the filter is diagonal in the cosine
    transform and its own transpose.

    Args:
        power: of the filter's response h in each frequency; h itself blurs.
    """
    axes, sizes = list(range(2, x.ndim)), x.shape[2:]
    for axis in axes:
        x = torch.cat((x, x.flip(axis)), axis)
    squares = x.new_zeros(())
    for place, axis in enumerate(axes):
        f = torch.fft.fftfreq(x.shape[axis], device=x.device)
        squares = squares + f.square().reshape(-1, *(1,) * (len(axes) - 1 - place))
    response = (-2 * math.pi**2 * std**2 * squares).exp()
    whole = torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * power(response), dim=axes).real
    return whole[(..., *(slice(n) for n in sizes))]


def unblurring(y: Tensor, std: float) -> Project:
    """x0 + A^T (A A^T + e)^-1 (y - A x0)   (Wang et al. 2022, arXiv:2212.00490, Eq. 13)."""

    def back(h: Tensor) -> Tensor:
        return h / (h.square() + STEADY)

    return lambda x0: x0 + blurred(y - blurred(x0, std), std, back)


def blocks(x: Tensor, factor: int) -> Tensor:
    """``x [b, c, ...]`` with each block of ``factor`` entries along each axis even at its mean."""
    for axis in range(2, x.ndim):
        size, last = x.shape[axis], x.movedim(axis, -1)
        more = -size % factor
        padded = torch.cat((last, last[..., -1:].expand(*last.shape[:-1], more)), -1)
        even = padded.unflatten(-1, (-1, factor)).mean(-1).repeat_interleave(factor, -1)
        x = even[..., :size].movedim(-1, axis)
    return x


def sharpening(y: Tensor, factor: int) -> Project:
    """x0 + A^+ (y - A x0), where A takes means of blocks, which it keeps."""
    return lambda x0: x0 + blocks(y - x0, factor)


def unclipping(y: Tensor, bound: float) -> Project:
    """y where it lies within its bounds, which are the largest |y| unless given; beyond them x0."""
    bound = bound or float(y.abs().max())
    within = y.abs() < bound * (1 - 1e-3)

    def project(x0: Tensor) -> Tensor:
        return torch.where(within, y, y.sign() * torch.maximum(x0 * y.sign(), y.abs()))

    return project


def completing(y: Tensor) -> Project:
    """y except where it has its commonest value."""
    values, counts = y.unique(return_counts=True)
    missing = y == values[counts.argmax()]
    return lambda x0: torch.where(missing, x0, y)


def reviving(y: Tensor) -> Project:
    """y except in frames, along the first axis after the channels, that repeat those before."""
    same = (y[:, :, 1:] == y[:, :, :-1]).flatten(3).all(3).all(1)
    dropped = F.pad(same, (1, 0))[:, None].reshape(len(y), 1, -1, *(1,) * (y.ndim - 3))
    return lambda x0: torch.where(dropped, x0, y)


@cache
def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 entries."""
    k, n = torch.arange(8)[:, None], torch.arange(8)
    basis = torch.cos(math.pi * (2 * n + 1) * k / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


def _there(x: Tensor) -> Tensor:
    """``[b, c, h, w]`` -> cosine coefficients of its blocks ``[b, c, i, j, 8, 8]``."""
    height, width = x.shape[2:]
    x = F.pad(x - MIDDLE, (0, -width % 8, 0, -height % 8), mode="replicate")
    basis = _cosines().to(x)
    return basis @ x.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).movedim(3, 4) @ basis.T


def _back(z: Tensor, height: int, width: int) -> Tensor:
    basis = _cosines().to(z)
    x = (basis.T @ z @ basis).movedim(4, 3).flatten(4, 5).flatten(2, 3)
    return x[:, :, :height, :width] + MIDDLE


def _steps(quality: float, like: Tensor) -> Tensor:
    """Steps of quantisation ``[8, 8]`` in model units (the scaling of the Independent JPEG Group)."""
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    return (torch.tensor(TABLE) * scale).round().clamp(1, 255).to(like) * (2 / 255)


def compressed(x: Tensor, quality: float) -> Tensor:
    """``x [b, c, h, w]`` with the cosine coefficients of its blocks rounded to whole steps."""
    steps = _steps(quality, x)
    return _back((_there(x) / steps).round() * steps, *x.shape[2:])


def decompressing(y: Tensor, quality: float) -> Project:
    """Each cosine coefficient of x0, in blocks of 8 x 8, at most half a step of quantisation from
    that of ``y [b, c, h, w]``, which is brought to whole steps again: clipping has moved it.
    """
    steps = _steps(quality, y)
    kept = (_there(y) / steps).round() * steps

    def project(x0: Tensor) -> Tensor:
        z = kept + (_there(x0) - kept).clamp(-steps / 2, steps / 2)
        return _back(z, *y.shape[2:])

    return project
