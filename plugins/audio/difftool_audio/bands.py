"""bands: the loudness of a sound in each mel band over time, for the spectrogram and the vocoder."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from difftool import Batch, UsageError

from . import lazy
from .frames import Frames, power_of_two
from .level import to_float
from .options import BandsOptions

HOP = 0.016
"""Seconds between frames, about."""


class LogMel:
    """``log(band + floor)``, a band being the mean amplitude of the frequencies in it, weighted by
    the triangle of the mel scale.

    Args:
        rate: samples per second.

    Raises:
        UsageError: a band that would see no frequency, or a window that does not suit the hop.
    """

    def __init__(self, options: BandsOptions, rate: int) -> None:
        hop = power_of_two(HOP, rate) if options.hop == "auto" else options.hop
        self.frames = Frames(hop, 4 * hop if options.window == "auto" else options.window)
        self.floor = options.floor
        self._bank = mel_bank(self.frames.bins, options.mels, rate, options.low, options.high)
        self._copies: dict[torch.device, Tensor] = {}

    def __call__(self, raw: Batch) -> Tensor:
        """int16 ``[b, c, n]`` -> float32 ``[b, c, mels, frames]``; padding is silence."""
        x = to_float(raw.x) if raw.mask is None else to_float(raw.x) * raw.mask
        amplitude = self.frames.transform(x).abs()
        return (self.bank(amplitude.device).mT @ amplitude).add_(self.floor).log_()

    def bank(self, device: torch.device) -> Tensor:
        """``[bins, mels]``, copied to each device once."""
        if device not in self._copies:
            self._copies[device] = self._bank.to(device)
        return self._copies[device]


def mel_bank(bins: int, mels: int, rate: int, low: float, high: float) -> Tensor:
    """``[bins, mels]``: the triangles of the mel scale as torchaudio draws them (O'Shaughnessy's
    scale), each of sum 1.

    Raises UsageError when a band would see no frequency.
    """
    high = high or rate / 2
    if not low < high <= rate / 2:
        raise UsageError(
            f"The bands cannot reach from {low:g} to {high:g} Hz: sound at {rate:,} samples per "
            f"second holds 0 to {rate / 2:g} Hz. Set low below high, and high to 0 for all there "
            "is."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a band is empty: said below, with what to do
        bank = lazy.torchaudio().functional.melscale_fbanks(bins, low, high, mels, rate)
    empty = int((bank.sum(0) == 0).sum())
    if empty:
        raise UsageError(
            f"{mels} mel bands are too many for a window of {2 * (bins - 1)} samples at {rate:,} "
            f"per second: {empty} of them lie between two frequencies and would see nothing. Take "
            "fewer bands or a longer window."
        )
    return bank / bank.sum(0)
