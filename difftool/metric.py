"""Metric: how good examples are, in a few numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from .description import Description
from .options import Options


class Metric(ABC):
    """A measure of raw examples. Built with (options, description of the data)."""

    def __init__(self, options: Options, description: Description) -> None:
        self.options, self.description = options, description

    @abstractmethod
    def measure(self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> dict[str, float]:
        """A number by name for these examples, at least one; NaN where these examples give none.

        Both are in raw units, each an array of its own, and are only read.

        Args:
            data: examples to compare with, as training meets them; where there are none, what needs them is left out.

        Raises:
            UsageError: something that the metric needs is not installed.
        """
