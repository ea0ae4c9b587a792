"""What every modality and every representation promises."""

from __future__ import annotations

import math

import torch

from difftool.testing import modality_contract, representation_contract

RATE = {"rate": 8000}
SMALL = (
    "backbone.channels=8",
    "backbone.multipliers=[1,2]",
    "backbone.factors=[2]",
    "backbone.embedding=16",
)


def chords() -> torch.Tensor:
    """int16 ``[3, 2, 4001]``: three tones a channel, at half of full scale, of a length that no frame divides."""
    t = torch.arange(4001) / 8000
    tones = torch.arange(1, 19).reshape(3, 2, 3, 1) * 110.0
    return (0.16 * (2 * math.pi * tones * t).sin().sum(2) * 32768).round().to(torch.int16)


TestModality = modality_contract(
    "audio", options={"silence": "keep"}, sets=SMALL
)  # after two steps the samples may be silent
TestWaveform = representation_contract("waveform", chords(), extra=RATE)
TestStft = representation_contract("stft", chords(), tolerance=3, extra=RATE)
TestSpectrogram = representation_contract(
    "spectrogram", chords(), tolerance=math.inf, options={"mels": 40}, extra=RATE
)
