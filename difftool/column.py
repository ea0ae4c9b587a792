"""Column: one column of the data, from cells of files to the input of a conditioner."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .errors import PluginError

if TYPE_CHECKING:  # the registry imports this module, and listing parts needs no arrays
    import numpy as np

    from .options import Options

Rows = Sequence[Mapping[str, str | float]]
"""For each example, column name -> cell; a row has no entry for a column that the example lacks."""

Value = Any
"""A value of a column, such as a number, an array or a tuple. Each kind has its own type."""

NULL_WORDS = ("none", "")
"""The words with which a user leaves a condition open."""


@dataclass(frozen=True)
class Column(ABC):
    """One column that a model is conditioned on. A subclass is a frozen dataclass.

    Its fields describe the data, as JSON values (tuples for lists), because the model file stores
    them. The module of a column does not import torch.

    Attributes:
        kind: name of the class in files; by default also the name of its conditioner.
        settable: True if a user sets it, with ``--cond`` or a column of the data; False if a
            modality or a bridge sets it.
        positional: its values lie at the positions of the example, and are cropped and padded with
            it.
        files: its values are names of files, which are read as examples are.
        name: the column's name.
    """

    kind: ClassVar[str]
    settable: ClassVar[bool] = True
    positional: ClassVar[bool] = False
    files: ClassVar[bool] = False

    name: str

    @classmethod
    @abstractmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, Sequence[Value] | np.ndarray]:
        """The column of this name and its value for every row; null for a row without one.

        Raises:
            DataError: the cells are not of this kind.
            UsageError: columns of this kind are not read from data.
        """

    @classmethod
    def read_as(
        cls, name: str, rows: Rows, options: Options
    ) -> tuple[Self, Sequence[Value] | np.ndarray]:
        """Like ``read``, with the settings of the conditioner. Override it if they matter here."""
        del options
        return cls.read(name, rows)

    @property
    @abstractmethod
    def null(self) -> Value:
        """The value that means "not given"."""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value of a user's text; null for a word of ``NULL_WORDS``. Raises UsageError."""

    @abstractmethod
    def show(self, value: Value) -> str | float | None:
        """A value as a user would write it; None for null.

        If a template may set the condition, this also accepts a row of a batch.
        """

    @abstractmethod
    def draw(self, u: float) -> Value:
        """A value with its frequency in the data; ``u`` is uniform in [0, 1).

        Raises UsageError if none.
        """

    @abstractmethod
    def batch(self, values: Sequence[Value]) -> np.ndarray:
        """The input of a conditioner: ``[b, ...]``, int64 or float32.

        A row must not depend on the other values, so that a sample is the same in any batch: pad to
        a fixed length of the column.
        """

    def choices(self) -> Sequence[Value]:
        """All values, for previews and ``--cond NAME=all``; empty if they cannot be listed."""
        return ()

    def meaning(self) -> tuple[Any, ...]:
        """What the numbers of a row mean.

        Weights fit another column of the same kind and meaning.
        """
        return ()

    def entries(self) -> Sequence[str]:
        """The values that have weights of their own, such as labels or words, in their order; empty
        where there is none. New ones come last: see ``extended``.
        """
        return ()

    def extended(self, other: Column) -> Self:
        """This column, which also knows the entries of another of its kind."""
        del other
        return self

    def moved(self, value: Value, other: Column) -> Value:
        """A value of another column as one of this, which has all entries of the other."""
        del other
        return value

    def same_as(self, other: Column) -> bool:
        """Whether weights that were trained for one column fit the other."""
        return (self.kind, self.meaning()) == (other.kind, other.meaning())

    def to_json(self) -> dict[str, Any]:
        """Its kind and its fields."""
        return {"kind": self.kind, **asdict(self)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Column:
        """A column of any installed kind.

        Entries without a field are ignored: older files hold the fields of all kinds.

        Raises:
            ValueError: a field is missing or not of its type.
            PluginError: no installed conditioner provides the kind.
        """
        from pydantic import PydanticUserError

        from .about import adapter_of, checked

        entry = f"description.conditions.{data.get('name', '?')}"
        if not isinstance(kind := data.get("kind"), str):
            raise ValueError(f"its entry '{entry}.kind' is not the name of a conditioner")
        try:
            adapter = adapter_of(kind_of(kind))
        except PydanticUserError as error:
            raise PluginError(
                f"The column of the conditioner {kind!r} cannot be read from a file, because a "
                f"field of it is not a JSON value: {error}"
            ) from error
        return checked(adapter, data, entry)


_KINDS: dict[str, str] = {
    kind: f"difftool.conditioners.columns:{code}"
    for kind, code in {
        "label": "LabelColumn", "labels": "LabelsColumn", "number": "NumberColumn", "vector": "VectorColumn", "channels": "ChannelsColumn",
    }.items()
} | {
    "text": "difftool.conditioners.text_column:TextColumn",
    "encoder": "difftool.conditioners.encoder_column:EncoderTextColumn",
    "beside": "difftool.conditioners.file_column:BesideColumn",
    "reference": "difftool.conditioners.file_column:ReferenceColumn",
}  # fmt: skip


def announce(kind: str, reference: str) -> None:
    """Register the class of a kind, ``"package.module:Class"``.

    The registry does so for every installed conditioner.
    """
    _KINDS[kind] = reference


def kind_of(kind: str) -> type[Column]:
    """The class of a kind. Raises PluginError.

    Only installed parts name what is imported; the text of a file never does.
    """
    if kind not in _KINDS:
        raise PluginError(
            f"The model has a condition of the kind {kind!r}, which nothing installed provides. "
            f"Install the plugin of the conditioner {kind!r}: without it, values can be neither "
            "read nor drawn."
        )
    module, _, name = _KINDS[kind].partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"The column of the conditioner {kind!r}, {_KINDS[kind]}, could not be imported: "
            f"{error}"
        ) from error
