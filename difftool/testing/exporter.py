"""The contract of an exporter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..exporter import TrainedModel
from .parts import load, named, needs_no_torch


def exporter_contract(
    name: str, *, model: Callable[[], TrainedModel], options: dict[str, Any] | None = None
) -> type:
    """Tests that check an exporter against its contract.

    Args:
        model: returns a small trained model.
    """

    def written(trained: TrainedModel, path: Path) -> bytes:
        write, settings = load("exporter", name, **(options or {}))
        write(trained, path, settings)
        return path.read_bytes()

    class ExporterContract:
        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help."""
            assert needs_no_torch("exporter", name)

        def test_it_writes_one_file_and_nothing_beside_it(self, tmp_path: Path) -> None:
            assert written(model(), tmp_path / "file.partial")
            assert [entry.name for entry in tmp_path.iterdir()] == ["file.partial"]

        def test_the_weights_are_only_read(self, tmp_path: Path) -> None:
            trained = model()
            before = {key: tensor.clone() for key, tensor in trained.weights.items()}
            written(trained, tmp_path / "file")
            assert all(torch.equal(before[key], tensor) for key, tensor in trained.weights.items())

        def test_other_weights_give_another_file(self, tmp_path: Path) -> None:
            trained = model()
            other = TrainedModel(
                {key: tensor + 1 for key, tensor in trained.weights.items()},
                trained.about,
                trained.open,
            )
            assert written(trained, tmp_path / "one") != written(other, tmp_path / "two")

    return named(ExporterContract, name)
