"""What an exporter is given: a trained model, read and not built yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .stage import Stage


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model with the average of its weights that was chosen.

    Attributes:
        weights: by name, on the CPU.
        about: what its file says of it: ``config``, ``description`` and more, as plain data.
        open: builds it, on the CPU and in eval mode, with these weights.
    """

    weights: Mapping[str, Tensor]
    about: Mapping[str, Any]
    open: Callable[[], Stage]


Exporter = Callable[[TrainedModel, Path, Any], None]
"""``(model, path, options)``: write the model to a path that is free; the caller puts the file in its place once it is whole."""
