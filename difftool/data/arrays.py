"""Arrays and Sequences: modalities that need to know only how one array is loaded and saved."""

from __future__ import annotations

import json
import warnings
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from ..batch import Batch
from ..column import Column
from ..description import Description
from ..errors import DataError
from ..files import creating
from ..modality import Item, Modality
from ..options import Options
from ..rng import Rng, Streams
from .folder import scan_folder
from .parallel import pick_evenly, readable

SOME = 1000
"""Files that are looked at to find the most common shape."""


class _Arrays(Modality):
    """One array of real numbers in each file, channels first.

    Attributes:
        suffixes: of the files that are read; samples are written with the first.
        dtype: of the arrays in raw units.
        says_how_made: whether ``save`` stores ``info`` in the file. Otherwise it is written into a
            JSON file of the same name.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)
    dtype: ClassVar[type[np.generic]] = np.float32
    says_how_made: ClassVar[bool] = False

    @abstractmethod
    def load(self, path: Path) -> np.ndarray:
        """The array ``[c, ...]`` in a file. Whatever it raises is reported as a damaged file."""

    @abstractmethod
    def save(self, array: np.ndarray, path: Path, info: Mapping[str, Any]) -> None:
        """Write an array into ``path``, which does not exist and has a suffix of its own."""

    def scan(self, path: Path) -> list[Item]:
        return scan_folder(path, self.suffixes)

    def whole(self, path: Path) -> np.ndarray:
        """The array in a file as it is. Raises DataError."""
        try:
            with warnings.catch_warnings(action="ignore"):  # such as numpy's of an empty file
                array = np.asarray(self.load(path))
        except DataError:
            raise
        except Exception as error:  # of any library that a subclass uses
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise DataError(
                f"{path} cannot be read: {reason}. Repair or remove the file."
            ) from None
        if array.dtype.kind not in "biuf" or array.ndim < 2 or not array.size:
            raise DataError(
                f"{path} holds an array {array.dtype} of shape {array.shape}. Repair or remove the "
                "file: real numbers with channels and one axis or more are needed."
            )
        if not np.isfinite(array).all():
            raise DataError(f"{path} holds numbers that are not finite. Repair or remove the file.")
        return array.astype(self.dtype)

    def read_sample(self, item: Item) -> np.ndarray:
        return self.whole(item.path)

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        path = stem.with_name(stem.name + self.suffixes[0])
        with creating(path) as partial:
            self.save(example, partial, dict(info))
        if not self.says_how_made:
            beside = stem.with_name(stem.name + ".json")
            beside.write_text(json.dumps(dict(info), indent=1), encoding="utf-8")
        return path

    def draw(self, axes: Any, example: np.ndarray) -> None:
        """Draw an example into matplotlib axes, for previews: by default curves or a heat map."""
        from ..plot import drawn

        drawn(axes, example)

    def preview(
        self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()
    ) -> Path:
        from ..plot import plotted

        return plotted(examples, stem.with_name(stem.name + ".png"), titles, self.draw)


class Arrays(_Arrays):
    """Arrays of one shape. A subclass writes ``load`` and ``save``, and sets ``suffixes``:

        class Beats(Arrays):
            suffixes = (".csv",)

            def load(self, path):
                return np.loadtxt(path, ndmin=1)[None]

            def save(self, array, path, info):
                np.savetxt(path, array[0])

    Its options are ``ArraysOptions`` or a subclass.
    """

    def fit(self, items: Sequence[Item]) -> Self:
        if self.options.shape != "auto":  # type: ignore[attr-defined]
            return self
        shapes = Counter(a.shape for a in readable(self.whole, pick_evenly(items, SOME)))
        return self.with_options(shape=shapes.most_common(1)[0][0])

    def read(self, item: Item) -> np.ndarray:
        array, shape = self.whole(item.path), tuple(self.settled("shape"))
        if array.shape[:-1] != shape[:-1] or array.shape[-1] < shape[-1]:
            raise DataError(
                f"{item.path} has the shape {array.shape}, but {shape} is needed. Remove the file, "
                "or set shape."
            )
        return array[..., : shape[-1]]

    def read_given(self, item: Item) -> np.ndarray:
        return self.whole(item.path)


class Sequences(_Arrays):
    """Arrays whose last axis differs in size from one to the other; written as ``Arrays``.

    A batch is padded at the end to its longest example. Samples have the lengths of the data,
    unless a length is asked for. Its options are ``SequencesOptions`` or a subclass, and the
    options of its request ``LengthRequest`` or a subclass.
    """

    def fit(self, items: Sequence[Item]) -> Self:
        if self.options.longest != "auto":  # type: ignore[attr-defined]
            return self
        arrays = readable(self.whole, pick_evenly(items, SOME))
        return self.with_options(longest=max(array.shape[-1] for array in arrays))

    def read(self, item: Item) -> np.ndarray:
        return self.whole(item.path)[..., : self.settled("longest")]

    def read_given(self, item: Item) -> np.ndarray:
        return self.whole(item.path)

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        shapes = np.asarray(shapes)
        fixed, extra, columns = super().describe(shapes[:, :-1])
        lengths = sorted(Counter(shapes[:, -1].tolist()).items())
        return (*fixed, None), {**extra, "lengths": [list(one) for one in lengths]}, columns

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        del rng
        lengths = torch.tensor([example.shape[-1] for example in examples])
        longest = int(lengths.max())
        x = np.zeros((len(examples), *examples[0].shape[:-1], longest), self.dtype)
        for row, example in zip(x, examples, strict=True):
            row[..., : example.shape[-1]] = example
        return Batch(torch.from_numpy(x), mask=_first(lengths, longest, x.ndim))

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        asked = getattr(request, "length", 0)
        if asked:
            lengths = torch.full((n,), asked)
        else:
            sizes, counts = torch.tensor(description.extra["lengths"]).T
            share = counts.double().cumsum(0) / counts.sum()
            drawn = torch.searchsorted(share, rng.uniform((n,)).cpu().double(), right=True)
            lengths = sizes[drawn.clamp(max=len(sizes) - 1)]
        longest = int(lengths.max())
        fixed = [size for size in description.shape[:-1] if size is not None]
        x = torch.zeros(n, *fixed, longest, dtype=getattr(torch, description.dtype))
        return Batch(x, mask=_first(lengths, longest, x.ndim)).map(lambda t: t.to(rng.device))


def _first(lengths: torch.Tensor, longest: int, ndim: int) -> torch.Tensor:
    """bool ``[b, 1, ..., longest]``, True at the first entries of the last axis."""
    mask = torch.arange(longest) < lengths[:, None]
    return mask.reshape(len(lengths), *(1,) * (ndim - 2), longest)
