"""difftool's contracts for the parts of this plugin, with data and settings that suit them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from difftool import Case, Item
from difftool.testing import (
    backbone_contract,
    bridge_contract,
    check_contract,
    metric_contract,
    modality_contract,
    representation_contract,
)

from .check import AudioLook
from .decode import Header

RATE = {"rate": 8000}
SMALL = (
    "backbone.channels=8",
    "backbone.multipliers=[1,2]",
    "backbone.factors=[2]",
    "backbone.embedding=16",
)
UNET = {
    "channels": 8,
    "multipliers": (1, 2, 2),
    "attention": 64,
    "head_width": 8,
    "embedding": 32,
}
STEREO = {**UNET, "patch": 8, "factors": (3, 2)}
DIFFWAVE = {"channels": 8, "layers": 6, "cycle": 3}


def chords() -> torch.Tensor:
    """int16 ``[3, 2, 4001]``: three tones in each channel, at half of full scale.

    No frame size divides the length.
    """
    t = torch.arange(4001) / 8000
    tones = torch.arange(1, 19).reshape(3, 2, 3, 1) * 110.0
    return (0.16 * (2 * math.pi * tones * t).sin().sum(2) * 32768).round().to(torch.int16)


def noises() -> torch.Tensor:
    """int16 ``[3, 2, 5001]``: noise of ordinary, high and very low level."""
    draws = torch.randn(3, 2, 5001, generator=torch.Generator().manual_seed(0))
    return (draws * torch.tensor([300.0, 3000.0, 10.0])[:, None, None]).short()


# samples may be silent after two steps
TestModality = modality_contract("audio", options={"silence": "keep"}, sets=SMALL)
TestWaveform = representation_contract("waveform", chords(), extra=RATE)
TestSound = metric_contract("sound", list(chords().numpy()), list(chords().numpy()[1:]), extra=RATE)
TestStft = representation_contract("stft", chords(), tolerance=3, extra=RATE)
TestSpectrogram = representation_contract(
    "spectrogram", chords(), tolerance=math.inf, options={"mels": 40}, extra=RATE
)
TestUNet1d = backbone_contract("unet1d", (1, 256), UNET, [(300,), (77,)])
TestUNet1dStereo = backbone_contract("unet1d", (2, 192), STEREO, [(200,), (5,)])
TestDiffWave = backbone_contract("diffwave", (1, 40), DIFFWAVE, [(41,), (3,)])
TestVocoder = bridge_contract(
    "vocoder",
    noises(),
    "waveform",
    options={"max_aug_level": 0.5, "mels": 40},
    extra={"rate": 16_000},
    exact=False,
)


def _recordings(clipped: float) -> Case:
    """What is known of twenty recordings of white noise, and how much of each is cut off."""
    header = Header(8000, 1, 8000)
    looks = [
        AudioLook(
            item=Item(Path("x.wav")), shape=(1, 8000), digest=bytes([i]), header=header, seconds=1.0,
            level=-20.0, peak=0.9, clipped=clipped, runs=1, offset=0.0, pauses=0.0, alike=True, left=1.0,
        )
        for i in range(20)
    ]  # fmt: skip
    noise = np.random.default_rng(0).normal(0, 0.1, (20, 1, 8000)).astype(np.float32)
    return Case(looks=looks, examples=list(noise))


TestRecordings = check_contract("recordings", _recordings(0.05), _recordings(0.0))
