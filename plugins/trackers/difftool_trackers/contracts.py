"""difftool's contracts. ``difftool plugins check trackers`` runs them; without a tracker's library
its tests are skipped.
"""

from __future__ import annotations

from importlib.util import find_spec
from tempfile import mkdtemp
from typing import Any

import pytest

from difftool.testing import observer_contract, plugin_contract

TestPlugin = plugin_contract("trackers")


def _contract(use: str, **options: Any) -> type:
    needed = "mlflow" if use == "mlflow" else use
    contract = observer_contract(use, options)
    missing = find_spec(needed) is None
    return pytest.mark.skipif(missing, reason=f"{needed} is not installed")(contract)


TestTensorBoard = _contract("tensorboard")
TestWandb = _contract("wandb", mode="offline")
TestMlflow = _contract("mlflow", uri=f"file://{mkdtemp()}")
TestTrackio = _contract("trackio")
