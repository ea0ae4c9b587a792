"""difftool's contracts, one line for each part. `difftool plugins check ecg` runs them."""

import torch

from difftool.testing import modality_contract, representation_contract, sampler_contract

TestEcg = modality_contract("ecg")
TestMillivolts = representation_contract("millivolts", torch.linspace(-1, 1, 128).reshape(2, 1, 64))
TestMidpoint = sampler_contract("midpoint")
