"""difftool's contracts. `difftool plugins check voxels` runs them."""

from difftool.testing import modality_contract, plugin_contract

SMALL = ("backbone.channels=8", "backbone.blocks=1")

TestPlugin = plugin_contract("voxels", sets=SMALL)
TestVoxels = modality_contract("voxels", sets=SMALL, options={"size": 8})
