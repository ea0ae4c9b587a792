"""Changes the rate of a recording with a long filter, in pieces, without aliasing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from .lazy import torchaudio

CHUNK = 1 << 20
"""Samples that are resampled at once, about."""


def resample(signal: np.ndarray, own: int, rate: int) -> np.ndarray:
    """float32 ``[c, n]`` at ``own`` samples per second to ``[c, ceil(n * ratio_of(own, rate))]`` at
    ``rate``.
    """
    pieces = list(resampled([signal], own, rate))
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, 1)


def resampled(blocks: Iterable[np.ndarray], own: int, rate: int) -> Iterator[np.ndarray]:
    """``resample`` of consecutive blocks of any length.

    Each piece is resampled together with the surroundings that the filter sees, so the result does
    not depend on the pieces.
    """
    if (ratio := ratio_of(own, rate)) == 1:
        yield from blocks
        return
    change = _resampler(ratio)
    up, down = ratio.numerator, ratio.denominator
    around = -(-change.width // down)  # in units of `down` samples, which become `up`
    each = max(1, CHUNK // down)
    for start, low, source in _pieces(blocks, down, each, around):
        with torch.no_grad():
            piece = change(torch.from_numpy(source))
        yield piece[:, (start - low) * up : (start - low + each) * up].numpy()


def _pieces(
    blocks: Iterable[np.ndarray], unit: int, each: int, around: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Pieces of ``each`` units with ``around`` units on both sides, as far as there are any.

    Yields:
        where the piece begins, where its surroundings begin, both in units, and the samples.
    """
    held, base, start = np.empty((0, 0), np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block], 1) if held.size else block
        while base * unit + held.shape[1] >= (start + each + around) * unit:
            yield start, base, held[:, : (start + each + around - base) * unit]
            start += each
            low = max(0, start - around)
            held, base = held[:, (low - base) * unit :], low
    while start * unit < base * unit + held.shape[1]:
        yield start, base, held[:, : (start + each + around - base) * unit]
        start += each
        low = max(0, start - around)
        held, base = held[:, (low - base) * unit :], low


def ratio_of(own: int, rate: int) -> Fraction:
    """``rate / own``.

    If that needs a filter of many megabytes, a ratio within a ten-thousandth of it (a sixth of a
    cent).
    """
    ratio = Fraction(rate, own)
    return (
        ratio if max(ratio.numerator, ratio.denominator) <= 1000 else ratio.limit_denominator(1000)
    )


@lru_cache(maxsize=16)
def _resampler(ratio: Fraction) -> Any:
    """torchaudio's resampler with the filter that librosa calls kaiser_best.

    It is flat to 90 % of half of the lower rate, and attenuates by 100 dB above it.
    """
    return torchaudio().transforms.Resample(
        ratio.denominator,
        ratio.numerator,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        beta=14.769656459379492,
    )
