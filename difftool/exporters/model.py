"""difftool's own model file: safetensors, with all that ``difftool sample`` needs in its header."""

from __future__ import annotations

from pathlib import Path

from ..engine.weights import MODEL, save_weights
from ..exporter import TrainedModel
from ..options import Options


def model(trained: TrainedModel, path: Path, options: Options) -> None:
    """The same file that training writes, with the chosen average of the weights."""
    del options
    save_weights(path, MODEL, trained.weights, trained.about)
