"""A kind of data whose samples are vectors, as those of a prior are: embeddings, not examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..batch import Batch
from ..column import Column
from ..description import Description
from ..modality import Item, Modality
from ..options import Options
from ..plot import plotted
from ..rng import Rng, Streams


class Vectors(Modality):
    """Reads what another kind of data reads, and writes vectors as files of NumPy."""

    def __init__(self, inner: Modality) -> None:
        super().__init__(inner.options)
        self.inner = inner

    def scan(self, path: Path) -> list[Item]:
        return self.inner.scan(path)

    def read(self, item: Item) -> np.ndarray:
        return self.inner.read(item)

    def settings(self) -> Options:
        return self.inner.settings()

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        return self.inner.describe(shapes)

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        return self.inner.collate(examples, rng)

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        return self.inner.augment(raw, rng)

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        return self.inner.template(description, n, rng, request)

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        """The vector in ``.npy``; how it was made is in ``metadata.csv`` beside it."""
        path = stem.with_name(f"{stem.name}.npy")
        with open(path, "xb") as file:
            np.save(file, example)
        return path

    def preview(
        self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()
    ) -> Path:
        return plotted(examples, stem.with_name(stem.name + ".png"), titles)
