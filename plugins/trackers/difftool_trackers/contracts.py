"""difftool's contracts. ``difftool plugins check trackers`` runs them; without a tracker's library
its tests are skipped.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from tempfile import mkdtemp
from typing import Any

import pytest

from difftool.testing import observer_contract, plugin_contract

TestPlugin = plugin_contract("trackers")


def _contract(use: str, **options: Any) -> type:
    """The contract of a tracker, skipped where its library is not installed."""
    try:
        distribution(use if use != "mlflow" else "mlflow-skinny")
        missing = False
    except PackageNotFoundError:
        missing = True
    contract = observer_contract(use, options)
    return pytest.mark.skipif(missing, reason=f"{use} is not installed")(contract)


TestTensorBoard = _contract("tensorboard")
TestWandb = _contract("wandb", mode="offline")
TestMlflow = _contract("mlflow", uri=f"file://{mkdtemp()}")
TestTrackio = _contract("trackio")
