"""Files as a column: each example names a file, and what is kept of it steers the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..column import NULL_WORDS, Column, Rows, Value
from ..errors import DataError, UsageError
from ..names import local_path, path_text
from ..nn.pretrained import applied
from ..options import Options
from .columns import text_of
from .options import ReferenceOptions

if TYPE_CHECKING:
    from ..modality import Item, Modality


@dataclass(frozen=True)
class FileColumn(Column):
    """The name of a file of the same kind of data; None is null.

    A batch is float32 ``[b, *shape]``: what ``taken`` makes of the files; NaN for null.

    Attributes:
        shape: of what is kept of a file.
    """

    files: ClassVar[bool] = True

    shape: tuple[int, ...] = ()

    @classmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, list[str]]:
        """The column and the names as they are written. Reading the files is left to the caller."""
        names = [text_of(row.get(name, "")).strip() for row in rows]
        if not any(names):
            raise DataError(
                f"The column {name} names no file. Write the name of a file for each example into "
                "metadata.csv, relative to its folder."
            )
        return cls(name), names

    @property
    def null(self) -> None:
        return None

    def parse(self, text: str) -> str | None:
        text = text.strip()
        if text.lower() in NULL_WORDS:
            return None
        path = local_path(text)
        if not path.exists():
            raise UsageError(f"{text} does not exist. {self.name} is the name of a file.")
        return path_text(path)

    def show(self, value: Value) -> str | None:
        return value if isinstance(value, str) and value else None

    def draw(self, u: float) -> None:
        """Null: the files of the data are not in the model."""
        del u

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        rows = np.full((len(values), *self.shape), np.nan, np.float32)
        for row, value in zip(rows, values, strict=True):
            if value is not None:
                row[...] = self._fitting(value)
        return rows

    def _fitting(self, value: np.ndarray) -> np.ndarray:
        if np.shape(value) != self.shape:
            one, other = ("x".join(map(str, shape)) for shape in (np.shape(value), self.shape))
            raise DataError(
                f"A file of {self.name} is {one}, and the examples are {other}. Bring all of them "
                "to one size."
            )
        return value

    def meaning(self) -> tuple[Any, ...]:
        return (self.shape,)

    def read_file(self, item: Item, modality: Modality) -> np.ndarray:
        """One file in raw units; by default as training reads it."""
        return modality.read(item)

    def taken(self, examples: Sequence[np.ndarray], modality: Modality) -> Sequence[np.ndarray]:
        """What is kept of raw examples; by default all."""
        del modality
        return examples


@dataclass(frozen=True)
class BesideColumn(FileColumn):
    """Files that are laid beside the noisy example, entry by entry."""

    kind: ClassVar[str] = "beside"


@dataclass(frozen=True)
class ReferenceColumn(FileColumn):
    """Files whose embedding by a pretrained network steers samples.

    Attributes:
        network: folder or name of the network, as ``Modality.feature_network`` takes it.
        tokens: whether its tokens ``[n, d]`` are kept, in place of its vector ``[d]``.
    """

    kind: ClassVar[str] = "reference"

    network: str = ""
    tokens: bool = False

    @classmethod
    def read_as(cls, name: str, rows: Rows, options: Options) -> tuple[Self, list[str]]:
        assert isinstance(options, ReferenceOptions)
        if not options.path:
            raise UsageError(
                f"conditions.{name}.path names no network. Name a folder as the library "
                "transformers saves it, such as CLIP or CLAP: nothing is downloaded."
            )
        _, names = cls.read(name, rows)
        return cls(name, network=options.path, tokens=options.tokens), names

    def read_file(self, item: Item, modality: Modality) -> np.ndarray:
        """The whole file at its own size."""
        return modality.read_given(item)

    def taken(self, examples: Sequence[np.ndarray], modality: Modality) -> Sequence[np.ndarray]:
        network = _network(modality, self.network)
        if self.tokens and not hasattr(network, "tokens"):
            raise UsageError(
                f"{self.network} gives no tokens. Set conditions.{self.name}.tokens = false, or name "
                "a transformer: its vector is all that this network has."
            )
        with applied(self.network):
            found = network.tokens(examples) if self.tokens else network(examples)
        return list(found.astype(np.float32))

    def meaning(self) -> tuple[Any, ...]:
        return (self.shape, Path(self.network).name)


@lru_cache(maxsize=4)
def _network(modality: Modality, name: str) -> Any:
    return modality.feature_network(name)
