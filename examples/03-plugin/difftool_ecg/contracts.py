"""difftool's contracts, one line for each part. `difftool plugins check ecg` runs them."""

from difftool.testing import modality_contract, plugin_contract, sampler_contract

TestPlugin = plugin_contract("ecg")
TestEcg = modality_contract("ecg")
TestMidpoint = sampler_contract("midpoint")
