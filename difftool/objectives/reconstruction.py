"""Errors of reconstructions, each a number for each example."""

from __future__ import annotations

import torch
from torch import Tensor

from ..shapes import mean_per_example

WINDOWS = (2048, 512, 128)
"""Lengths of the windows of spectra, in entries; those that are longer than an example are left
out.
"""
FLOOR = 1e-4
"""Added to amplitudes before their logarithm is taken."""


def mean_over_real(x: Tensor, mask: Tensor | None) -> Tensor:
    """``[b, ...] -> [b]``: the mean over real entries."""
    if mask is None:
        return mean_per_example(x)
    real = mask.to(x.dtype).expand_as(x)
    return (x * real).flatten(1).sum(1) / real.flatten(1).sum(1).clamp_min(1)


def size_of(error: Tensor, kind: str) -> Tensor:
    """The absolute error for ``l1``, half the squared one for ``l2``."""
    return error.abs() if kind == "l1" else 0.5 * error.square()


def gradient_error(x: Tensor, made: Tensor, mask: Tensor | None) -> Tensor:
    """``[b]``: the mean absolute error of differences between neighbours, over all axes.

    Mathieu et al. 2016, arXiv:1511.05440, Eq. 6.
    """
    error = made - x
    found = x.new_zeros(len(x))
    for axis in range(2, x.ndim):
        if x.shape[axis] < 2:
            continue
        real = mask
        if mask is not None and mask.shape[axis] > 1:
            real = mask.narrow(axis, 1, mask.shape[axis] - 1)  # padding comes last
        found = found + mean_over_real(error.diff(dim=axis).abs(), real)
    return found


def spectral_error(x: Tensor, made: Tensor, mask: Tensor | None) -> Tensor:
    """``[b]``: the error of amplitude spectra along the last axis, at several scales.

    Yamamoto et al. 2020, arXiv:1910.11480, Eq. 5-7: the relative error of the amplitudes, and the
    mean error of their logarithms. A signal whose phase is off by a little sounds the same.
    """
    if mask is not None:
        x, made = x * mask, made * mask
    windows = [n for n in WINDOWS if n <= x.shape[-1]] or [max(4, x.shape[-1] // 2)]
    total = x.new_zeros(len(x))
    for n in windows:
        wanted, found = amplitudes(x, n), amplitudes(made, n)
        scale = wanted.square().sum((1, 2)).sqrt() + FLOOR
        relative = (found - wanted).square().sum((1, 2)).add(FLOOR**2).sqrt() / scale
        logarithm = ((found + FLOOR).log() - (wanted + FLOOR).log()).abs().mean((1, 2))
        total = total + relative + logarithm
    return total / len(windows)


def amplitudes(x: Tensor, n: int) -> Tensor:
    """``[b, ..., time] -> [b, signals * bins, frames]``, of windows of ``n`` entries."""
    window = torch.hann_window(n, device=x.device)
    flat = x.float().reshape(-1, x.shape[-1])
    spectrum = torch.stft(flat, n, n // 4, window=window, return_complex=True)
    # the square root of 0 has no gradient
    power = spectrum.real.square() + spectrum.imag.square()
    found = (power + FLOOR**2).sqrt() / n**0.5
    return found.reshape(len(x), -1, found.shape[-1])
