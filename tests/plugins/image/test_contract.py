"""What every modality and every representation promises."""

from __future__ import annotations

import torch

from difftool.testing import modality_contract, representation_contract

EVERY = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)

TestModality = modality_contract("image")
TestPixels = representation_contract("pixels", EVERY.expand(2, 3, 16, 16))
