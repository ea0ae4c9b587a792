"""JPEG: what the compression of ITU-T T.81 keeps, in entries of model units that are -1 to 1."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .operators import Project

MIDDLE = 1 / 255
"""The level that is subtracted before the cosine transform, 128 of 0 to 255, in model units."""

LEVEL = 2 / 255
"""One of the 256 levels."""

LUMINANCE = (
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

CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Of the two differences of colour (Table K.2)."""

TO_LUMINANCE = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
"""Red, green and blue to luminance and differences of colour (ITU-T T.871, Sec. 7)."""

ROUNDED = 0.25
"""Mean error of a coefficient, in levels, of entries that are rounded to whole levels."""

QUALITIES = range(2, 97)
"""Of compression that leaves a trace."""


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


def _steps(quality: float, like: Tensor, table: tuple[tuple[int, ...], ...] = LUMINANCE) -> Tensor:
    """Steps of quantisation ``[8, 8]`` in model units (the scaling of the Independent JPEG Group)."""
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    return (torch.tensor(table) * scale).round().clamp(1, 255).to(like) * LEVEL


def compressed(x: Tensor, quality: float) -> Tensor:
    """``x [b, c, h, w]`` with the cosine coefficients of its blocks rounded to whole steps."""
    steps = _steps(quality, x)
    return _back((_there(x) / steps).round() * steps, *x.shape[2:])


def _within_steps(y: Tensor, steps: Tensor) -> Project:
    """Each cosine coefficient of x0, in blocks of 8 x 8, at most half a step of quantisation from
    that of ``y [b, c, h, w]``, which is brought to whole steps again: clipping has moved it.
    """
    kept = (_there(y) / steps).round() * steps

    def project(x0: Tensor) -> Tensor:
        z = kept + (_there(x0) - kept).clamp(-steps / 2, steps / 2)
        return _back(z, *y.shape[2:])

    return project


def decompressing(y: Tensor, quality: float) -> Project:
    """The nearest example that the compression makes to ``y [b, c, h, w]``, about.

    Three channels are red, green and blue: their luminance is compressed as it is, and their
    differences of colour at half the resolution.
    """
    if y.shape[1] != 3:
        return _within_steps(y, _steps(quality, y))
    luminance, colours = _planes(y)
    light = _within_steps(luminance, _steps(quality, y))
    colour = _within_steps(_halved(colours), _steps(quality, y, CHROMINANCE))

    def project(x0: Tensor) -> Tensor:
        one, two = _planes(x0)
        small = _halved(two)
        two = two + _doubled(colour(small) - small, two)
        return _joined(light(one), two)

    return project


def _planes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance ``[b, 1, h, w]`` and differences of colour ``[b, 2, h, w]``."""
    mixed = torch.einsum("kc,bchw->bkhw", torch.tensor(TO_LUMINANCE).to(x), x)
    return mixed[:, :1], mixed[:, 1:] + MIDDLE


def _joined(luminance: Tensor, colours: Tensor) -> Tensor:
    back = torch.linalg.inv(torch.tensor(TO_LUMINANCE, dtype=torch.float64)).to(luminance)
    mixed = torch.cat((luminance, colours - MIDDLE), 1)
    return torch.einsum("ck,bkhw->bchw", back, mixed)


def _halved(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    return F.avg_pool2d(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return large[:, :, : like.shape[2], : like.shape[3]]


def fitted_quality(y: Tensor) -> int:
    """The quality of compression that makes ``y [b, c, h, w]`` likeliest.

    A coefficient is a whole number k of steps and an error, of the rounding and the clipping of
    pixels. Both have a Laplace distribution: k by the mean size of the coefficients of its
    diagonal, the error by its own mean.
    """
    z = _there(_planes(y)[0] if y.shape[1] == 3 else y) / LEVEL
    diagonal = torch.arange(8)[:, None] + torch.arange(8)
    sizes = torch.stack([z[..., diagonal == n].abs().mean() for n in range(15)]) + 1
    scale = sizes[diagonal]
    return max(QUALITIES, key=lambda quality: _likelihood(z, scale, _steps(quality, z) / LEVEL))


def _likelihood(z: Tensor, scale: Tensor, steps: Tensor) -> float:
    """The mean log-likelihood of coefficients that were brought to whole steps."""
    whole = (z / steps).round() * steps
    error = (z - whole).abs()
    spread = error.mean().clamp_min(ROUNDED)
    edges = torch.distributions.Laplace(torch.zeros_like(scale), scale)
    share = edges.cdf(whole + steps / 2) - edges.cdf(whole - steps / 2)
    return float((share.clamp_min(1e-30).log() - error / spread - spread.log()).mean())
