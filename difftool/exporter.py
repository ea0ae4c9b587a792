"""Exporter: writes a trained model in another format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .stage import Stage


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model with one average of its weights, read but not built.

    Attributes:
        weights: name -> tensor, on the CPU.
        about: the metadata of its file, such as ``config`` and ``description``, as plain data.
        open: builds the model with these weights, on the CPU and in eval mode.
    """

    weights: Mapping[str, Tensor]
    about: Mapping[str, Any]
    open: Callable[[], Stage]


Exporter = Callable[[TrainedModel, Path, Any], None]
"""``(model, path, options)``: write the model to a new path.

The caller then moves the file into place.
"""
