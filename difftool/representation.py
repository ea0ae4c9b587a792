"""Representation: raw units <-> model units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from .batch import Batch
from .space import Space


class Representation(ABC):
    """How raw data is shown to the network. Built with (options, description of the data).

    Attributes:
        shape: of one encoded example, ``[channels, ...]``; None for an axis that varies.
        space: where noise on the encoded example lives.
    """

    shape: tuple[int | None, ...]
    space: Space

    @abstractmethod
    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """What encoding needs to know of the data, such as its mean, as JSON; empty where it needs nothing.

        Called once, before training, on an instance whose ``description.measured`` is empty, with raw examples drawn as in training.
        What it returns is kept in the model and stands in the ``description.measured`` of every instance after that.
        """

    @abstractmethod
    def encode(self, raw: Batch) -> Batch:
        """Raw units, of any dtype, to float32 model units near unit scale. Runs on the batch's device.

        Conditions pass through, except those that the modality sets and that speak of the example itself, such as which of it is given:
        they become what their conditioner takes.
        """

    @abstractmethod
    def decode(self, batch: Batch) -> Batch:
        """Model units to raw units in the raw dtype, within its range; at least as large as what was encoded, padding as nothing.

        What is more than was asked for is cut off by the caller, at the template's size and mask.
        """
