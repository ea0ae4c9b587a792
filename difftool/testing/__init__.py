"""Conformance suites for plugins, one line each, in a test module of the plugin's own:

    from difftool.testing import modality_contract, sampler_contract

    TestEcg = modality_contract("ecg")
    TestMySolver = sampler_contract("my_solver")

Each returns a class of pytest tests that hold the named part to the contract its noun has. The first-party plugins and the
built-in parts pass the same suites.
"""

import pytest

SUITES = ("backbone", "bridge", "conditioner", "exporter", "metric", "modality", "objective", "optimizer", "process", "representation", "sampler", "source")
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in SUITES))  # before they are imported: a failure shows its values

from .backbone import backbone_contract  # noqa: E402
from .bridge import bridge_contract  # noqa: E402
from .conditioner import conditioner_contract  # noqa: E402
from .exporter import exporter_contract  # noqa: E402
from .metric import metric_contract  # noqa: E402
from .modality import modality_contract  # noqa: E402
from .objective import objective_contract  # noqa: E402
from .optimizer import optimizer_contract  # noqa: E402
from .process import process_contract  # noqa: E402
from .representation import representation_contract  # noqa: E402
from .sampler import sampler_contract  # noqa: E402
from .source import source_contract  # noqa: E402

__all__ = [
    "backbone_contract",
    "bridge_contract",
    "conditioner_contract",
    "exporter_contract",
    "metric_contract",
    "modality_contract",
    "objective_contract",
    "optimizer_contract",
    "process_contract",
    "representation_contract",
    "sampler_contract",
    "source_contract",
]
