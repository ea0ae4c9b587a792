"""Metric: the quality of examples, as a few numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from .batch import Batch
from .context import Opened
from .description import Description
from .options import Options
from .rng import Rng


class Metric(ABC):
    """A measure of raw examples. Built with (options, description of the data)."""

    def __init__(self, options: Options, description: Description) -> None:
        self.options, self.description = options, description

    @abstractmethod
    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Name -> number for these examples, at least one; NaN if a number is undefined for them.

        Both arguments are lists of arrays in raw units; do not change them.

        Args:
            data: examples to compare with, as in training. If empty, leave out the numbers that
                need them.

        Raises:
            UsageError: a requirement of the metric is not installed.
        """


class ModelMetric(ABC):
    """A measure of a model, by what its denoiser makes of examples. Built as a ``Metric``."""

    def __init__(self, options: Options, description: Description) -> None:
        self.options, self.description = options, description

    @abstractmethod
    def measure_model(self, model: Opened, raw: Batch, rng: Rng) -> dict[str, Tensor]:
        """Name -> a number for each example, ``[b]``; the same names for every batch.

        ``difftool evaluate`` shows their mean with its standard error.

        Args:
            model: the trained model, on its device.
            raw: examples in raw units on that device, with the conditions that the model takes.
        """
