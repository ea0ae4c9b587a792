"""Conformance suites for plugins, one line each, in a test module of the plugin's own:

    from difftool.testing import modality_contract, sampler_contract

    TestEcg = modality_contract("ecg")
    TestMySolver = sampler_contract("my_solver")

Each returns a class of pytest tests that hold the named part to the contract its noun has. The first-party plugins and the
built-in parts pass the same suites.
"""

from .backbone import backbone_contract
from .modality import modality_contract
from .representation import representation_contract
from .sampler import sampler_contract

__all__ = ["backbone_contract", "modality_contract", "representation_contract", "sampler_contract"]
