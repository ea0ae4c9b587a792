"""difftool's contracts for the parts of this plugin, with data and settings that suit them."""

from __future__ import annotations

import numpy as np
import torch

from difftool import Case
from difftool.testing import (
    backbone_contract,
    check_contract,
    metric_contract,
    modality_contract,
    representation_contract,
)

FAST = ("backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.embedding=16")

LOSS = 0.25
"""The change of small, sharp clips by H.264."""

GIVEN = {"given": "ends", "stills": 0.3, "frames": 6}

SPATIAL = {
    "channels": 8,
    "multipliers": (1, 2),
    "blocks": 1,
    "attention": 16,
    "head_width": 8,
    "patch": 2,
}
SMALL = {**SPATIAL, "time_attention": 4}
PIXELS = {**SMALL, "patch": 1, "time_attention": 16, "time_kernel": 1}


def clips() -> torch.Tensor:
    """uint8 ``[3, 5, 3, 6, 7]``: noise."""
    return torch.randint(0, 256, (3, 5, 3, 6, 7), generator=torch.manual_seed(0)).to(torch.uint8)


TestModality = modality_contract("video", sets=FAST, loss=LOSS)
TestModalityOfGivenFrames = modality_contract("video", options=GIVEN, sets=FAST, loss=LOSS)
TestFrames = representation_contract("frames", clips())
TestMotionOfSamples = metric_contract("motion", list(clips().numpy()), list(clips().numpy()[1:]))
TestUNet3d = backbone_contract("unet3d", (3, 4, 8, 8), SMALL, [(7, 9, 6), (1, 8, 8)])
TestUNet3dJoint = backbone_contract(
    "unet3d", (3, 4, 8, 8), {**SMALL, "joint_attention": 16}, [(7, 9, 6), (1, 8, 8)]
)
TestUNet3dOfPixels = backbone_contract("unet3d", (1, 3, 8, 8), PIXELS, [(4, 5, 7)])

PLACES = np.arange(10)[:, None, None, None] * 8
MOVING = [
    (255 * (abs(np.arange(80).reshape(1, 1, 1, 80) - PLACES - i) < 20)).astype(np.uint8)
    for i in range(20)
]
TestMotion = check_contract(
    "motion", Case(examples=[np.repeat(one[:1], 10, 0) for one in MOVING]), Case(examples=MOVING)
)
