"""Contract tests for plugins. A test module of a plugin needs one line for each part:

    from difftool.testing import modality_contract, plugin_contract, sampler_contract

    TestPlugin = plugin_contract("ecg")
    TestEcg = modality_contract("ecg")
    TestMySolver = sampler_contract("my_solver")

Each function returns a class of pytest tests that check the named part against the contract of its
kind. The built-in parts and the first-party plugins pass the same tests.
"""

import pytest

SUITES = (
    "backbone",
    "bridge",
    "check",
    "command",
    "conditioner",
    "edit",
    "exporter",
    "guidance",
    "metric",
    "modality",
    "objective",
    "observer",
    "optimizer",
    "plugin",
    "process",
    "representation",
    "sampler",
    "source",
)
# Before the imports below, so that a failed assertion shows its values.
pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in SUITES))

from .backbone import backbone_contract  # noqa: E402
from .bridge import bridge_contract  # noqa: E402
from .check import check_contract  # noqa: E402
from .command import command_contract  # noqa: E402
from .conditioner import conditioner_contract  # noqa: E402
from .edit import edit_contract  # noqa: E402
from .exporter import exporter_contract  # noqa: E402
from .guidance import guidance_contract  # noqa: E402
from .metric import metric_contract  # noqa: E402
from .modality import modality_contract  # noqa: E402
from .objective import objective_contract  # noqa: E402
from .observer import observer_contract  # noqa: E402
from .optimizer import optimizer_contract  # noqa: E402
from .plugin import plugin_contract  # noqa: E402
from .process import process_contract  # noqa: E402
from .representation import representation_contract  # noqa: E402
from .sampler import sampler_contract  # noqa: E402
from .source import source_contract  # noqa: E402

__all__ = [
    "backbone_contract",
    "bridge_contract",
    "check_contract",
    "command_contract",
    "conditioner_contract",
    "edit_contract",
    "exporter_contract",
    "guidance_contract",
    "metric_contract",
    "modality_contract",
    "objective_contract",
    "observer_contract",
    "optimizer_contract",
    "plugin_contract",
    "process_contract",
    "representation_contract",
    "sampler_contract",
    "source_contract",
]
