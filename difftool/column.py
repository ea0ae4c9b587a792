"""Column: what the values of one column of the data are, from a file's cell to the numbers that a conditioner is given."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .errors import PluginError

if TYPE_CHECKING:  # the registry imports this module, and listing parts needs no arrays
    import numpy as np

Rows = Sequence[Mapping[str, str | float]]
"""For each example, column name -> cell; a column that an example lacks is not in its row."""

Value = Any
"""What ``read``, ``parse`` and ``draw`` give and ``batch`` takes: a number, an array, a tuple. Each kind of column has its own."""

NULL_WORDS = ("none", "")
"""What a user writes for a condition that is not given."""


@dataclass(frozen=True)
class Column(ABC):
    """One column that a model is conditioned on. A subclass is a frozen dataclass whose fields are what was found in the data.

    Its fields are JSON values (tuples for lists), because they are kept in the model file. No module of a column imports torch.

    Attributes:
        kind: name of the column's class in files; also of the conditioner that takes it unless another is named.
        settable: a user may give it, with ``--cond`` or by a column of the data; else a modality or a bridge sets it.
        positional: its values lie at the positions of the example, and are cut and padded as that is.
        name: the column's name.
    """

    kind: ClassVar[str]
    settable: ClassVar[bool] = True
    positional: ClassVar[bool] = False

    name: str

    @classmethod
    @abstractmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, Sequence[Value] | np.ndarray]:
        """The column of this name, and its value for every row; null where a row has none.

        Raises:
            DataError: the cells are not of this kind.
            UsageError: no column of this kind is read from data.
        """

    @property
    @abstractmethod
    def null(self) -> Value:
        """The value that says "not given"."""

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value that a user wrote; null for a word of ``NULL_WORDS``. Raises UsageError."""

    @abstractmethod
    def show(self, value: Value) -> str | float | None:
        """A value as a user would write it; None for null. Where a template may set the condition, also a value's row of a batch."""

    @abstractmethod
    def draw(self, u: float) -> Value:
        """A value as often as it occurs in the data, of a number that is uniform in [0, 1). Raises UsageError where there is none."""

    @abstractmethod
    def batch(self, values: Sequence[Value]) -> np.ndarray:
        """``[b, ...]``, int64 or float32, as a conditioner is given them.

        A row that does not depend on the other values keeps a sample the same in any batch: pad to a length that the column knows.
        """

    def choices(self) -> Sequence[Value]:
        """Every value there is, for sheets of samples and ``--cond NAME=all``; none where they cannot be listed."""
        return ()

    def meaning(self) -> tuple[Any, ...]:
        """What a row's numbers stand for: weights that were learnt for one column fit another of the same kind and meaning."""
        return ()

    def same_as(self, other: Column) -> bool:
        """Whether weights that were learnt for one of the two fit the other."""
        return (self.kind, self.meaning()) == (other.kind, other.meaning())

    def to_json(self) -> dict[str, Any]:
        """Its kind and its fields."""
        return {"kind": self.kind, **asdict(self)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Column:
        """A column of any known kind. Entries that its kind has no field for are left out: files made before held those of all kinds.

        Raises:
            PluginError: nothing that is installed knows the kind.
        """
        column = kind_of(data["kind"])
        names = {field.name for field in fields(column)}
        return column(**{name: _frozen(value) for name, value in data.items() if name in names})


def _frozen(value: Any) -> Any:
    """Lists of JSON as tuples."""
    return tuple(_frozen(entry) for entry in value) if isinstance(value, list | tuple) else value


_KINDS: dict[str, str] = {
    kind: f"difftool.conditioners.columns:{code}"
    for kind, code in {
        "label": "LabelColumn", "labels": "LabelsColumn", "number": "NumberColumn", "vector": "VectorColumn", "channels": "ChannelsColumn",
    }.items()
}  # fmt: skip


def announce(kind: str, reference: str) -> None:
    """Say where the class of a kind lives, ``"package.module:Class"``. The registry does, for every conditioner that is installed."""
    _KINDS[kind] = reference


def kind_of(kind: str) -> type[Column]:
    """The class of a kind. A file's own text never names what is imported: only what is installed does. Raises PluginError."""
    if kind not in _KINDS:
        raise PluginError(
            f"The model has a condition of the kind {kind!r}, which nothing installed provides. Install the plugin whose conditioner "
            f"{kind!r} it was trained with: a value of an unknown kind can be neither read nor drawn."
        )
    module, _, name = _KINDS[kind].partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"The column of the conditioner {kind!r}, {_KINDS[kind]}, could not be imported: {error}") from error
