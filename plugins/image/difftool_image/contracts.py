"""difftool's contracts for the parts of this plugin, with data and settings that suit them."""

from __future__ import annotations

import torch

from difftool.testing import modality_contract, representation_contract

EVERY = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
"""Every value of a byte."""

TestModality = modality_contract("image")
TestPixels = representation_contract("pixels", EVERY.expand(2, 3, 16, 16))
