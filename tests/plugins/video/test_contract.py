"""What every modality and every representation promises."""

from __future__ import annotations

import torch

from difftool.testing import modality_contract, representation_contract

SMALL = ("backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.embedding=16")

LOSS = 0.25
"""What H.264 changes in small, sharp clips."""

GIVEN = {"given": "ends", "stills": 0.3, "frames": 6}

TestModality = modality_contract("video", sets=SMALL, loss=LOSS)
TestModalityOfGivenFrames = modality_contract("video", options=GIVEN, sets=SMALL, loss=LOSS)
TestFrames = representation_contract(
    "frames", torch.randint(0, 256, (3, 5, 3, 6, 7), generator=torch.manual_seed(0)).to(torch.uint8)
)
