"""What files suffer: for each kind of damage, the examples that could have become this file."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Project = Callable[[Tensor], Tensor]
"""``project(x0) -> x0``: the nearest example that would have become the file by the damage."""

STEADY = 1e-3
"""Squared attenuation below which a blurred detail is not brought back."""


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


def band_limited(x: Tensor, share: float) -> Tensor:
    """``x [b, c, n]`` without the frequencies above a ``share`` of the highest.

    Beyond its ends x goes on as its mirror image, so that the filter is diagonal in the cosine
    transform and a projection.
    """
    n = x.shape[2]
    spectrum = torch.fft.rfft(torch.cat((x, x.flip(2)), 2))
    spectrum[..., max(1, round(share * n)) :] = 0
    return torch.fft.irfft(spectrum, 2 * n)[..., :n]


def widening(y: Tensor, share: float) -> Project:
    """y below a share of the highest frequency, x0 above it."""
    return lambda x0: x0 + band_limited(y - x0, share)
