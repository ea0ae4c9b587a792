"""Modality: files on disk <-> raw examples. Write one for a new kind of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
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
        columns: column name -> text or number, from folders, metadata files and captions.
        part: index of the example in a file that holds several.
    """

    path: Path
    columns: Mapping[str, str | float] = field(default_factory=dict)
    part: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``difftool data check``.

    ``level`` is ``ok``, ``note``, ``warning`` or ``error``.
    """

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Balls and sticks in three dimensions.

    Attributes:
        balls: of each its place x, y, z and its radius, in one unit.
        colours: of each ball, as ``#rrggbb``.
        sticks: indices of the two balls that each joins, and of how many strands it is.
    """

    balls: Sequence[Sequence[float]]
    colours: Sequence[str]
    sticks: Sequence[tuple[int, int, int]] = ()


class Modality(ABC):
    """A kind of data: how it is read from files, put into batches, and written.

    ``scan``, ``read`` and ``write`` are required. The defaults of ``describe``, ``collate`` and
    ``template`` are correct if all examples have one shape; otherwise override all three. The other
    methods have defaults that suit many kinds of data.

    An instance holds only its options. They are saved with the run, and the modality is rebuilt
    from them when the run is resumed or sampled.

    Attributes:
        repeats: axes of a raw example along which copies can follow one another, such as time.
        marks_results: whether sheets of edits mark on results too what was selected, because it can
            hardly be told from a view of them; else only on the examples that they were made from.
    """

    repeats: tuple[int, ...] = ()
    marks_results: bool = False

    def __init__(self, options: Options) -> None:
        self.options = options

    # --- files -> raw examples ---

    @abstractmethod
    def scan(self, path: Path) -> list[Item]:
        """The examples at ``path`` (a folder or a file), in a fixed order and not decoded.

        Raises:
            DataError: there is no usable example.
        """

    @abstractmethod
    def read(self, item: Item) -> np.ndarray:
        """Decode one example to raw units: the array that is cached. Deterministic.

        Raises:
            DataError: the file is damaged or unusable. Names the file and the fix.
        """

    def read_sample(self, item: Item) -> np.ndarray:
        """Decode a sample that was written to a file, in order to measure it.

        The whole sample is measured. Override this if ``read`` decodes only a part of a file, or
        refuses files that a model can write.
        """
        return self.read(item)

    def read_given(self, item: Item) -> np.ndarray:
        """Decode a user's example as the input of a stage that refines it.

        The input is the whole example at its own size. Override this if ``read`` crops or resizes.
        """
        return self.read(item)

    def fit(self, items: Sequence[Item]) -> Modality:
        """This modality with every ``auto`` option, such as a size, determined from the data.

        Override this if there is such an option: read the headers with ``difftool.readable``, which
        skips damaged files, and return ``self.with_options(...)``.

        Raises:
            DataError: none of the files can be read.
        """
        del items
        return self

    def settings(self) -> Options:
        """The options without ``auto`` values; they are saved with the run."""
        return self.options

    def with_options(self, **found: Any) -> Self:
        """A copy of this modality with these options changed."""
        return type(self)(self.options.model_copy(update=found)) if found else self

    def settled(self, name: str, unset: Any = "auto") -> Any:
        """The value of an option that ``fit`` determines. Raises DataError while it is ``unset``."""
        value = getattr(self.options, name)
        if value == unset:
            raise DataError(
                f"{name} is still {unset}. Set {name}, or call fit, which determines it from the data."
            )
        return value

    # --- raw examples -> raw batches ---

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        """The properties of the data that sampling needs.

        Args:
            shapes: ``[count, axes]``, of all the cached examples.

        Returns:
            The shape of one example of a raw batch, with None for an axis that varies; further
            values for sampling (JSON); the conditions that the modality itself sets. By default the
            shape of all examples, and nothing else.

        Raises:
            DataError: the examples cannot be trained on together.
        """
        shapes = np.asarray(shapes)
        if len(unlike := np.unique(shapes, axis=0)) > 1:
            one, other = ("x".join(map(str, shape)) for shape in unlike[:2])
            raise DataError(
                f"The examples differ in shape, such as {one} and {other}. Remove those that "
                f"differ: {type(self).__name__} needs examples of one shape."
            )
        return tuple(shapes[0].tolist()), {}, ()

    def groups(self, shapes: np.ndarray) -> np.ndarray | None:
        """Which examples can be in a batch together: ``[count]``, the group of each, from 0; None,
        the default, where all can.

        Override this if examples come in a few shapes, such as those of several aspect ratios.
        A network that packs examples is given any together, so ``collate`` must pad them.

        Args:
            shapes: ``[count, axes]``, of all the cached examples.
        """
        del shapes
        return None

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        """Cached examples as one raw batch on the CPU; by default stacked.

        Crop and pad here. The batch holds only conditions that the modality itself sets.
        """
        del rng
        array = examples if isinstance(examples, np.ndarray) else np.stack(examples)
        return Batch(torch.from_numpy(np.require(array, requirements=["C", "W"])))

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        """Random changes of a raw training batch, on the batch's device; by default none."""
        del rng
        return raw

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        """A raw batch with the shapes and the mask of ``n`` samples; by default zeros.

        Its conditions are used unless the user sets them. They may refer to its content.

        Args:
            rng: one stream for each sample; ``rng.indices`` are the numbers of the samples.
            request: the modality's flags of ``sample``.

        Raises:
            UsageError: the request cannot be met.
        """
        del request
        shape = [size for size in description.shape if size is not None]
        if len(shape) < len(description.shape):
            raise PluginError(
                f"{type(self).__name__} has no template method. Write it: its examples have no "
                "fixed shape, so the default cannot choose the size of samples."
            )
        return Batch(
            torch.zeros(n, *shape, dtype=getattr(torch, description.dtype), device=rng.device)
        )

    def select(
        self, example: np.ndarray, selection: Options
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What part of an example the user means, for ``difftool edit``.

        Args:
            selection: the modality's flags of ``edit`` (``ModalitySpec.selection``).

        Returns:
            The example, larger if the selection asks for more around it; and where it is to be
            made: truth values with the example's axes, each of its length or of 1, or shares from 0
            (kept) to 1 (made) where its edges are soft. None if nothing is selected.

        Raises:
            UsageError: the selection does not fit the example.
        """
        del selection
        return example, None

    def put_back(self, made: np.ndarray, example: np.ndarray, selected: np.ndarray) -> np.ndarray:
        """What was made, with the entries of the example where it was not selected.

        By default entry by entry, exactly. Override this if an example may have been moved.

        Args:
            selected: as ``select`` returns it.
        """
        if selected.dtype == bool or made.shape != example.shape:
            return np.where(selected, made, example) if made.shape == example.shape else made
        mixed = example + selected * (made.astype(np.float64) - example)
        soft = (mixed if made.dtype.kind == "f" else mixed.round()).astype(made.dtype)
        return np.where(selected >= 1, made, np.where(selected <= 0, example, soft))

    def request_of(self, shape: Sequence[int]) -> dict[str, Any]:
        """The options of a request that say how large samples are, for samples of this raw shape.

        An earlier stage of a cascade is asked for the size from which the later ones make what the
        user requested. By default there are none, and all stages get the user's request.
        """
        del shape
        return {}

    # --- raw examples -> files ---

    @abstractmethod
    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        """Write one raw sample to ``stem`` plus a suffix; returns the path. Never replaces a file.

        Args:
            info: how the sample was made (JSON); store it in the file or next to it.
            request: as for ``template``; it may choose a file format.
        """

    def preview(
        self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()
    ) -> Path:
        """Write one file that shows these raw examples; returns its path.

        By default curves or heat maps.
        """
        from .plot import plotted

        return plotted(examples, stem.with_name(stem.name + ".png"), titles)

    def overlay(
        self,
        examples: Sequence[np.ndarray],
        marks: Sequence[np.ndarray | None],
        stem: Path,
        titles: Sequence[str] = (),
    ) -> Path:
        """Write one file that shows these raw examples, and what of each is selected.

        By default as ``preview``, where what is selected is even.

        Args:
            marks: for each example what ``select`` returns; None where nothing is selected.
        """
        even = [
            one if mark is None else np.where(mark > 0, np.median(one).astype(one.dtype), one)
            for one, mark in zip(examples, marks, strict=True)
        ]
        return self.preview(even, stem, titles)

    def scene(self, example: np.ndarray) -> Scene | None:
        """What a page draws of a raw example so that it can be turned; None, the default, for a
        kind of data that has no three dimensions.
        """
        del example
        return None

    def rights(self, path: Path) -> dict[str, str]:
        """What a file says of its licence, its author and the like; nothing by default.

        Args:
            path: a file that ``scan`` found.

        Returns:
            some of ``licence``, ``copyright``, ``author`` and ``source``.

        Raises:
            DataError: the file cannot be read.
        """
        del path
        return {}

    def facts(self, item: Item) -> dict[str, float]:
        """Numbers that a file says of itself, which can be conditions, such as the size that it had
        before it was brought to that of the examples; none by default.

        Only conditions that the configuration names and no column of the data has are looked up.
        The options are settled.

        Raises:
            DataError: the file cannot be read.
        """
        del item
        return {}

    def film(self, examples: Sequence[np.ndarray], stem: Path) -> Path:
        """Write one file that shows these raw examples one after another; returns its path.

        Only a kind of data that overrides it has films; they are an option of ``interpolate``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no film of its examples.")

    def perceive(self, example: np.ndarray) -> np.ndarray:
        """What a judge of samples sees of a raw example: ``[channels, ...]``; by default all of it.

        Judges are convolutional networks, to which a place on an axis is a place. Override this if
        examples are alike in another way: the spectrogram of a sound, what turning does not change.
        """
        return example

    def feature_network(self, name: str) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
        """A trained network in whose features raw examples are measured, instead of a judge.

        It turns examples into vectors ``[n, d]``; if it has a method ``texts``, that turns texts into
        vectors of the same space, as CLIP does, and samples are compared with the texts that were
        asked for. ``difftool evaluate --features NAME`` asks for
        it; import what it needs here.

        Args:
            name: a path or a name that a user wrote.

        Raises:
            UsageError: there is no such network, or what it needs is not installed.
        """
        raise UsageError(
            f"There are no networks for {type(self).__name__}, such as {name!r}. Leave out "
            "--features: then a judge is trained on the data."
        )

    def log_density(self, examples: np.ndarray) -> np.ndarray | None:
        """ln p of raw examples ``[n, ...]`` under the distribution of the data, ``[n]``; None where
        nobody knows it, which is the default.
        """
        return None

    def demo(self, folder: Path) -> None:
        """Write a small data set into an empty folder, as files that ``scan`` reads.

        Deterministic.
        """
        raise UsageError(
            "This kind of data has no demo set. Name a folder of your data, as in difftool train "
            f"-m NAME FOLDER. ({type(self).__name__} has no demo.)"
        )
