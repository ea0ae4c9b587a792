"""difftool's model file: safetensors; its header holds all that ``difftool sample`` needs."""

from __future__ import annotations

from pathlib import Path

from ..engine.weights import MODEL, save_weights
from ..exporter import TrainedModel
from ..options import Options


def model(trained: TrainedModel, path: Path, options: Options) -> None:
    """Write the same file as training does, with the chosen average of the weights."""
    del options
    save_weights(path, MODEL, trained.weights, trained.about)
