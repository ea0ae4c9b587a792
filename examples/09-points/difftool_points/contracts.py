"""difftool's contracts. `difftool plugins check points` runs them."""

from difftool.testing import modality_contract, plugin_contract

SMALL = ("backbone.width=16",)

TestPlugin = plugin_contract("points", sets=SMALL)
TestPoints = modality_contract("points", sets=SMALL)
