"""How near reconstructions are to the examples that they are of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
"""Of structural similarity."""
SEGMENT = 512
"""Entries of a segment whose spectrum is compared."""
QUIETEST_DB = -80.0
"""Level below the loudest of an example that counts as silence."""


def reconstruction_numbers(
    given: Sequence[np.ndarray], made: Sequence[np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Name -> the mean over examples, and its standard error.

    ``psnr_db``, of all; ``ssim``, of examples with two or more axes after the channels;
    ``spectral_db``, of those with one.
    """
    peak = _range(given)
    rows = {"psnr_db": [psnr(a, b, peak) for a, b in zip(given, made, strict=True)]}
    if given[0].ndim >= 3:
        rows["ssim"] = [ssim(a, b, peak) for a, b in zip(given, made, strict=True)]
    else:
        rows["spectral_db"] = [spectral_db(a, b) for a, b in zip(given, made, strict=True)]
    return {name: _mean(np.array(values)) for name, values in rows.items()}


def psnr(given: np.ndarray, made: np.ndarray, peak: float) -> float:
    """Peak signal-to-noise ratio in dB; at most that of rounding to 16 bits."""
    error = np.square(given.astype(np.float64) - made.astype(np.float64)).mean()
    return 10 * math.log10(peak**2 / max(error, (peak / 2**16) ** 2 / 12))


def ssim(given: np.ndarray, made: np.ndarray, peak: float) -> float:
    """Structural similarity (Wang et al. 2004, Eq. 13), over the last two axes, averaged."""
    x, y = (torch.from_numpy(one.astype(np.float64)) for one in (given, made))
    x, y = (one.reshape(-1, 1, *one.shape[-2:]) for one in (x, y))
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x = _blurred(x * x) - mean_x.square()
    var_y = _blurred(y * y) - mean_y.square()
    both = _blurred(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return float((top / ((mean_x.square() + mean_y.square() + c1) * (var_x + var_y + c2))).mean())


def spectral_db(given: np.ndarray, made: np.ndarray) -> float:
    """Root mean square difference of the spectra in dB, averaged over segments.

    Log-spectral distance (Gray & Markel 1976, Eq. 7). What is 80 dB below the loudest is silent.
    """
    x, y = (_spectrum(torch.from_numpy(one.astype(np.float64))) for one in (given, made))
    silence = x.max() + QUIETEST_DB
    apart = x.clamp_min(silence) - y.clamp_min(silence)
    return float(apart.square().mean(-2).sqrt().mean())


def _blurred(x: Tensor) -> Tensor:
    """Weighted means over a window that lies inside; a smaller example is one window."""
    for axis in (-1, -2):
        size = min(WINDOW, x.shape[axis])
        places = torch.arange(size, dtype=x.dtype) - (size - 1) / 2
        weights = torch.exp(-places.square() / (2 * SIGMA**2))
        shape = [1, 1, 1, 1]
        shape[axis] = size
        x = F.conv2d(x, (weights / weights.sum()).reshape(shape))
    return x


def _spectrum(x: Tensor) -> Tensor:
    """``[c, n] -> [c, bins, segments]`` in dB."""
    n = min(SEGMENT, 2 * (x.shape[-1] // 2) or 1)
    window = torch.hann_window(n, dtype=x.dtype)
    power = (
        torch.stft(x, n, max(1, n // 4), window=window, center=False, return_complex=True)
        .abs()
        .square()
    )
    return 10 * power.clamp_min(1e-20).log10()


def _range(examples: Sequence[np.ndarray]) -> float:
    """The range of the raw type; of floating-point numbers, that of the examples."""
    if examples[0].dtype.kind in "iu":
        info = np.iinfo(examples[0].dtype)
        return float(info.max) - float(info.min)
    return float(max(one.max() for one in examples) - min(one.min() for one in examples)) or 1.0


def _mean(values: np.ndarray) -> tuple[float, float]:
    error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else math.nan
    return float(values.mean()), error
