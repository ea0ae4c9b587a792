"""Modality: files on disk <-> raw examples. What a plugin writes to teach difftool a new kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .batch import Batch
from .description import Condition, Description
from .options import Options
from .rng import Rng, Streams


@dataclass(frozen=True, slots=True)
class Item:
    """One example before it is decoded.

    Attributes:
        path: the file it is in.
        columns: what labels, metadata files and captions say of it: text or numbers by column name.
        part: which part of the file, for files that hold many.
    """

    path: Path
    columns: Mapping[str, str | float] = field(default_factory=dict)
    part: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``difftool data check``. ``level`` is ``ok``, ``note``, ``warning`` or ``error``."""

    level: str
    text: str


class Modality(ABC):
    """A kind of data. An instance holds its options and nothing else."""

    @abstractmethod
    def scan(self, path: Path) -> list[Item]:
        """The examples below ``path`` (a folder or a file), in a fixed order, without decoding. Raises DataError when there is nothing usable."""

    @abstractmethod
    def read(self, item: Item) -> np.ndarray:
        """Decode one example to raw units: the array that is cached. Deterministic. Raises DataError when the file is bad."""

    def read_sample(self, item: Item) -> np.ndarray:
        """Decode a sample that was written to a file, to be measured: all of it, where ``read`` takes only what a model should learn."""
        return self.read(item)

    def read_given(self, item: Item) -> np.ndarray:
        """Decode an example that is to be refined: whole and at its own size, where ``read`` cuts it or brings it to one; else as ``read``."""
        return self.read(item)

    @abstractmethod
    def fit(self, items: Sequence[Item]) -> Modality:
        """This modality with what depends on the data settled (an ``auto`` size or channel count), seen from the items' headers."""

    @abstractmethod
    def settings(self) -> Options:
        """The options with nothing left on ``auto``; they are saved with the run."""

    @abstractmethod
    def describe(self, shapes: np.ndarray) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Condition, ...]]:
        """Shape of one example of a raw batch, what else sampling needs to know (JSON), and the conditions that the modality sets itself.

        Args:
            shapes: ``[count, axes]``, of all the cached examples.
        """

    @abstractmethod
    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        """Cached examples to one raw batch on the CPU: cropping and padding happen here. Conditions are its own ones only."""

    @abstractmethod
    def augment(self, raw: Batch, rng: Rng) -> Batch:
        """Random changes of a raw training batch, on the batch's device. Returns the batch itself when nothing is asked for."""

    @abstractmethod
    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        """A raw batch whose shapes and mask ``n`` samples shall have; ``request`` holds the modality's own flags of ``sample``.

        Conditions in it are used where the user gives none; the batch's content is what they may speak of.

        Args:
            rng: one stream for each sample; ``rng.indices`` are the samples' numbers.

        Raises:
            UsageError: the request cannot be met.
        """

    @abstractmethod
    def write(self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options) -> Path:
        """Write one raw sample to ``stem`` plus a suffix of the modality's, with ``info`` as provenance; returns the path.

        Args:
            request: as for ``template``; it may say what kind of file is wished for.
        """

    @abstractmethod
    def preview(self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()) -> Path:
        """One file to look at that shows these raw examples together; returns its path."""

    @abstractmethod
    def demo(self, folder: Path) -> None:
        """Write the built-in demo set into an empty folder, as files that ``scan`` reads. Deterministic."""

    @abstractmethod
    def check(self, items: Sequence[Item]) -> Iterable[Finding]:
        """What a person should know of this data before training on it."""
