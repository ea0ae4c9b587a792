"""How much an example has suffered, estimated from the example."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .operators import blocks

RINGS = 24
"""Bands of frequency in which powers are averaged."""

ROUNDING = 1e-5
"""Power of the rounding of a file's values in model units, at least."""

SILENT = 1e-8
"""Share of the power that a band of frequencies may hold and still count as cut off."""


def spectrum(x: Tensor) -> tuple[Tensor, Tensor]:
    """The power of ``x [b, c, ...]`` in rings of frequency: the mean of the squared coefficients of
    the orthonormal cosine transform, and the mean squared frequency in cycles per entry, of each.

    Returns:
        ``[rings]``, ``[rings]``, in float64.
    """
    x = x.double()
    squares = x.new_zeros(())
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        f = torch.arange(n, dtype=x.dtype) / (2 * n)
        squares = squares.unsqueeze(-1) + f.square()
        x = _cosines(x, axis)
    power = x.square().mean((0, 1)).flatten()
    ring = (squares.sqrt().flatten() / squares.max().sqrt() * (RINGS - 1)).round().long()
    counts = torch.bincount(ring, minlength=RINGS)
    real = counts > 0
    sums = [
        torch.bincount(ring, values, minlength=RINGS)[real] / counts[real]
        for values in (power, squares.flatten())
    ]
    return sums[0], sums[1]


def _cosines(x: Tensor, axis: int) -> Tensor:
    """The orthonormal cosine transform along an axis, by the Fourier transform of x and its mirror
    image.
    """
    n = x.shape[axis]
    line = x.movedim(axis, -1)
    mirrored = torch.fft.fft(torch.cat((line, line.flip(-1)), -1))[..., :n]
    turn = torch.exp(-0.5j * math.pi * torch.arange(n, dtype=x.dtype) / n)
    z = (mirrored * turn).real / math.sqrt(2 * n)
    z[..., 0] /= math.sqrt(2)
    return z.movedim(-1, axis)


def fitted_blur(y: Tensor, sharp: Sequence[Tensor], level: float = 0.0) -> float:
    """The standard deviation, in entries, of the Gaussian that blurred ``y [1, c, ...]``.

    By Whittle's likelihood: the squared coefficient at frequency f has the mean a P(f) h(f)^2 +
    level^2, with h(f) = exp(-2 pi^2 std^2 f^2), P the power of sharp examples, and a contrast a.
    The sum over f of ln v + |y|^2 / v is least at the std and the a that are sought.

    Args:
        sharp: examples like y that are not blurred, such as a model's samples.
        level: standard deviation of the noise in y.
    """
    power, squares = spectrum(torch.cat(list(sharp)))
    seen, _ = spectrum(y)
    power, squares, seen = power[1:], squares[1:], seen[1:]  # a mean says nothing of sharpness
    widest = min(y.shape[2:]) / 4
    stds = torch.linspace(0, widest, 201, dtype=torch.float64)[:, None, None]
    gains = torch.logspace(-1, 1, 41, dtype=torch.float64)[:, None]
    response = (-4 * math.pi**2 * stds.square() * squares).exp()
    expected = gains * power * response + level**2 + ROUNDING
    misfit = (expected.log() + seen / expected).sum(-1).amin(1)
    return float(stds.flatten()[misfit.argmin()])


def fitted_factor(y: Tensor) -> int | None:
    """The largest factor of which ``y [b, c, ...]`` is even in blocks; None if there is none."""
    most = min(y.shape[2:]) // 2
    for factor in range(most, 1, -1):
        if (blocks(y, factor) - y).abs().max() < 1 / 255:
            return factor
    return None


def fitted_band(y: Tensor) -> float:
    """The share of the highest frequency above which ``y [b, c, n]`` has next to no power."""
    z = _cosines(y.double(), 2).square().sum((0, 1))
    beyond = z.flip(0).cumsum(0).flip(0)
    floor = SILENT * float(z.sum()) + ROUNDING**2 * len(z)
    return max(1, int((beyond > floor).sum())) / len(z)
