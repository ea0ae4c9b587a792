"""Modality: files on disk <-> raw examples. Write one to teach difftool a new kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from .batch import Batch
from .column import Column
from .description import Description
from .errors import DataError, PluginError, UsageError
from .options import Options
from .rng import Rng, Streams


@dataclass(frozen=True, slots=True)
class Item:
    """One example before it is decoded.

    Attributes:
        path: the file it is in.
        columns: text or numbers by column name, from folders, metadata files and captions.
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
    """A kind of data: how it is read from files, put into batches, and written.

    ``scan``, ``read`` and ``write`` must be written. ``describe``, ``collate`` and ``template`` are
    right as they are for examples that all have one shape; write all three where shapes differ. The
    others have defaults that many kinds of data keep.

    An instance holds its options and nothing else: they are saved with the run, and the same
    modality is made from them when the run is resumed or sampled.
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    # --- files -> raw examples ---

    @abstractmethod
    def scan(self, path: Path) -> list[Item]:
        """The examples below ``path`` (a folder or a file), in a fixed order, without decoding them.

        Raises:
            DataError: there is nothing usable.
        """

    @abstractmethod
    def read(self, item: Item) -> np.ndarray:
        """Decode one example to raw units: the array that is cached. Deterministic.

        Raises:
            DataError: the file is bad. Names the file, and says what to do.
        """

    def read_sample(self, item: Item) -> np.ndarray:
        """Decode a sample that was written to a file, to measure it.

        Override it where ``read`` takes only a part of a file, or refuses what a model may still
        make: the whole sample is measured.
        """
        return self.read(item)

    def read_given(self, item: Item) -> np.ndarray:
        """Decode a user's example that a model is to refine.

        Override it where ``read`` cuts or resizes: what is refined is taken whole, at its own size.
        """
        return self.read(item)

    def fit(self, items: Sequence[Item]) -> Modality:
        """This modality with every ``auto`` option settled from the data, such as a size.

        Override it where there is such an option: look at the headers with ``difftool.readable``,
        which passes over damaged files, and return ``self.with_options(...)``.

        Raises:
            DataError: none of the files can be read.
        """
        del items
        return self

    def settings(self) -> Options:
        """The options with nothing left on ``auto``; they are saved with the run."""
        return self.options

    def with_options(self, **found: Any) -> Self:
        """This modality with these options changed."""
        return type(self)(self.options.model_copy(update=found)) if found else self

    def settled(self, name: str) -> Any:
        """The value of an option that ``fit`` settles. Raises DataError while it is ``auto``."""
        value = getattr(self.options, name)
        if value == "auto":
            raise DataError(f"{name} is not settled yet. Set {name}, or let fit find it from the data.")
        return value

    # --- raw examples -> raw batches ---

    def describe(self, shapes: np.ndarray) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        """What sampling needs to know of the data.

        Args:
            shapes: ``[count, axes]``, of all the cached examples.

        Returns:
            The shape of one example of a raw batch, None for an axis without a fixed size; more
            that sampling needs (JSON); the conditions that the modality itself sets. By default the
            shape that all examples have.

        Raises:
            DataError: the examples cannot be trained on together.
        """
        shapes = np.asarray(shapes)
        if len(unlike := np.unique(shapes, axis=0)) > 1:
            one, other = ("x".join(map(str, shape)) for shape in unlike[:2])
            raise DataError(
                f"The examples differ in shape, such as {one} and {other}. Leave out those that differ: "
                f"{type(self).__name__} takes one shape only."
            )
        return tuple(shapes[0].tolist()), {}, ()

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        """Cached examples as one raw batch on the CPU; by default stacked.

        Cropping and padding happen here. The batch holds only conditions that the modality itself sets.
        """
        del rng
        array = examples if isinstance(examples, np.ndarray) else np.stack(examples)
        return Batch(torch.from_numpy(np.require(array, requirements=["C", "W"])))

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        """Random changes of a raw training batch, on the batch's device; by default none."""
        del rng
        return raw

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        """A raw batch with the shapes and the mask that ``n`` samples will have; by default zeros.

        Conditions in it are used where the user gives none, and so is its content, which they may
        refer to.

        Args:
            rng: one stream for each sample; ``rng.indices`` are the samples' numbers.
            request: the modality's own flags of ``sample``.

        Raises:
            UsageError: the request cannot be met.
        """
        del request
        shape = [size for size in description.shape if size is not None]
        if len(shape) < len(description.shape):
            raise PluginError(
                f"{type(self).__name__} describes examples without a fixed shape, so it must say how "
                "large samples are: write its template method."
            )
        return Batch(torch.zeros(n, *shape, dtype=getattr(torch, description.dtype), device=rng.device))

    # --- raw examples -> files ---

    @abstractmethod
    def write(self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options) -> Path:
        """Write one raw sample to ``stem`` plus a suffix; returns the path. Never replaces a file.

        Args:
            info: how the sample was made (JSON), to be kept in the file or next to it.
            request: as for ``template``; it may choose a file format.
        """

    def preview(self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()) -> Path:
        """One file that shows these raw examples together; returns its path. By default curves or heat maps."""
        from .plot import plotted

        return plotted(examples, stem.with_name(stem.name + ".png"), titles)

    def demo(self, folder: Path) -> None:
        """Write a small data set into an empty folder, as files that ``scan`` reads. Deterministic."""
        raise UsageError(
            "This kind of data has no demo set. Name a folder of your own data, as in difftool train -m NAME FOLDER. "
            f"({type(self).__name__} writes none.)"
        )
