"""Metric: the quality of examples, as a few numbers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


class Statistics(Metric):
    """The means of numbers that each example has by itself, such as its loudness.

    They catch what a distance of distributions does not name: samples that are too dark, too quiet
    or too restless. The same numbers of the data stand beside them.
    """

    @abstractmethod
    def of_example(self, example: np.ndarray) -> dict[str, float]:
        """Name -> number of one raw example, the same names for every one; NaN where undefined."""

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """The mean of each number over the examples for which it is defined."""
        del data
        found = [self.of_example(one) for one in examples]
        return {name: _mean([one[name] for one in found]) for name in found[0]}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


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


@dataclass(frozen=True, slots=True)
class Features:
    """What one network sees in examples.

    Attributes:
        vectors: ``[n, d]`` float64.
        guesses: condition name -> the network's guess: probabilities of the labels ``[n, labels]``,
            or a number ``[n]``.
        asked: condition name -> what the example was asked to be, or is by the data: a label's
            index or a number ``[n]``, or 0 and 1 for each label ``[n, labels]``; -1 or NaN where
            nothing was asked.
        numbers: ``[n]``, the number of an example of the data; -1 for a sample.
        alike: condition name -> what the network sees in each example, and in the text that was
            asked for, ``[n, d]`` each and of length 1; 0 where no text was.
    """

    vectors: np.ndarray
    guesses: Mapping[str, np.ndarray] = field(default_factory=dict)
    asked: Mapping[str, np.ndarray] = field(default_factory=dict)
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    alike: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, indices: np.ndarray) -> Features:
        """The examples at these indices, or where a mask is True."""
        return Features(
            self.vectors[indices],
            {name: guess[indices] for name, guess in self.guesses.items()},
            {name: asked[indices] for name, asked in self.asked.items()},
            self.numbers[indices] if len(self.numbers) else self.numbers,
            {name: (seen[indices], text[indices]) for name, (seen, text) in self.alike.items()},
        )


class FeatureMetric(ABC):
    """A measure of examples by what a network sees in them. Built as a ``Metric``.

    The network is a judge that is trained on the data, or the one that ``--features`` names.

    Attributes:
        corrected: whether numbers of few examples are biased by a multiple of 1/n, which the
            jackknife removes.
        whole: whether samples are compared with all of the data, and data with all but themselves
            (see ``Features.numbers``); otherwise both are compared with the part of the data on
            which the judge is trained.
        equal: whether numbers depend on the number of examples in another way, so that only equally
            many are compared.
    """

    corrected: bool = False
    whole: bool = False
    equal: bool = False

    def __init__(self, options: Options, description: Description) -> None:
        self.options, self.description = options, description

    def applies(self, examples: Features) -> bool:
        """Whether there is anything to measure; beside other metrics it is then left out silently."""
        del examples
        return True

    def is_share(self, name: str) -> bool:
        """Whether a number is a share of the examples, whose error near 0 and 1 is not seen in them."""
        del name
        return False

    @abstractmethod
    def measure_features(self, examples: Features, data: Features) -> dict[str, float]:
        """Name -> number for these examples; NaN if a number is undefined for them.

        Raises:
            UsageError: it needs more examples, or a guess that the network does not make.
        """
