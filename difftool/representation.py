"""Representation: raw units <-> model units."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .batch import Batch
from .space import Space


class Representation(ABC):
    """How raw data is shown to the network.

    Attributes:
        shape: of one encoded example, ``[channels, ...]``; None for an axis that varies.
        space: where noise on the encoded example lives.
    """

    shape: tuple[int | None, ...]
    space: Space

    @abstractmethod
    def encode(self, raw: Batch) -> Batch:
        """Raw units, of any dtype, to float32 model units near unit scale. Runs on the batch's device; conditions pass through."""

    @abstractmethod
    def decode(self, batch: Batch) -> Batch:
        """Model units to raw units in the raw dtype, clipped to its range."""
