"""The bridge of the core, held to its noun's contract on data of every layout."""

from __future__ import annotations

import torch

from difftool.testing import bridge_contract

PICTURES = torch.randint(
    0, 256, (3, 3, 9, 13), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
CLIPS = torch.randint(
    0, 256, (2, 7, 3, 6, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
SOUNDS = (torch.randn(2, 1, 4001, generator=torch.Generator().manual_seed(0)) * 3000).to(
    torch.int16
)
RATES = {"extra": {"rate": 16000}, "earlier": {"rate": 4000}}

TestPicture = bridge_contract(
    "resample",
    PICTURES,
    "pixels",
    options={"factors": (1, 2, 3), "max_aug_level": 0.5, "blur": 1.0, "crop": (4, 5)},
)
TestResidual = bridge_contract(
    "resample",
    PICTURES,
    "pixels",
    options={"factors": (1, 2, 3), "max_aug_level": 0.5, "residual": True},
)
TestPlain = bridge_contract(
    "resample", PICTURES, "pixels", options={"factors": (0, 4, 4), "up": "nearest"}
)
TestClip = bridge_contract(
    "resample",
    CLIPS,
    "frames",
    options={
        "factors": (4, 1, 2, 2),
        "down": ("every", "area", "area", "area"),
        "max_aug_level": 1.0,
        "crop": (3,),
    },
)
TestKnown = bridge_contract(
    "resample",
    CLIPS,
    "frames",
    options={"factors": (3, 1, 1, 1), "down": "every", "observed": True, "crop": (4,)},
)
TestSound = bridge_contract(
    "resample",
    SOUNDS,
    "waveform",
    options={
        "factors": (1, 4),
        "down": "sinc",
        "up": "sinc",
        "max_aug_level": 0.2,
        "crop": (1000,),
        "rates": {"rate": 1},
    },
    **RATES,
)
TestSpectrum = bridge_contract(
    "resample",
    SOUNDS,
    "spectrogram",
    options={"factors": (1, 4), "down": "sinc", "up": "sinc"},
    **RATES,
)
