"""What every modality and every representation promises."""

from __future__ import annotations

import torch

from difftool.testing import modality_contract, representation_contract

SMALL = ("backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.embedding=16")

TestModality = modality_contract("video", sets=SMALL)
TestModalityOfGivenFrames = modality_contract("video", options={"given": "ends", "stills": 0.3, "frames": 6}, sets=SMALL)
TestFrames = representation_contract("frames", torch.randint(0, 256, (3, 5, 3, 6, 7), generator=torch.manual_seed(0)).to(torch.uint8))
