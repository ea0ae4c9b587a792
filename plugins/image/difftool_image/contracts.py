"""difftool's contracts for the parts of this plugin, with data and settings that suit them."""

from __future__ import annotations

import numpy as np
import torch

from difftool import Case
from difftool.testing import (
    check_contract,
    metric_contract,
    modality_contract,
    representation_contract,
)

EVERY = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
"""Every value of a byte."""

TestModality = modality_contract("image")
TestPixels = representation_contract("pixels", EVERY.expand(2, 3, 16, 16))
TestColour = metric_contract(
    "colour",
    [np.full((3, 4, 4), 40 * i, np.uint8) for i in range(3)],
    [np.full((3, 4, 4), 50 * i, np.uint8) for i in range(3)],
)

SWAPPED = [np.zeros((3, 4, 4), np.uint8) for _ in range(20)]
for i, picture in enumerate(SWAPPED):
    picture[2 if i % 2 else 0] = 200
WORDS = ["a red ball", "a blue ball"]
TestChannels = check_contract(
    "channels",
    Case(examples=SWAPPED, columns=[{"caption": WORDS[1 - i % 2]} for i in range(20)]),
    Case(examples=SWAPPED, columns=[{"caption": WORDS[i % 2]} for i in range(20)]),
)
