"""Description: what sampling must know of the data. It is saved in the model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .column import Column
from .errors import ModelFileError
from .header import DAMAGED

Condition = Column
"""The old name of ``Column``, which plugins may still use."""


@dataclass(frozen=True, slots=True)
class Description:
    """The properties of a data set.

    Attributes:
        shape: shape of one example in raw units; None for an axis that varies.
        dtype: numpy name of the raw type, such as ``uint8``.
        count: number of examples.
        conditions: the columns that a model is conditioned on, by name.
        extra: what the modality needs again for sampling (JSON values only).
        measured: statistics of the representation and the bridge, such as a mean (JSON values
            only).
        fingerprint: hash of the decoded examples and their columns; a resumed run reports a change.
    """

    shape: tuple[int | None, ...]
    dtype: str
    count: int
    conditions: Mapping[str, Column] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **plain,
            "conditions": {name: column.to_json() for name, column in self.conditions.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Description:
        """The description in a file.

        Raises:
            ValueError: an entry is missing or not of its type; the text names it.
            PluginError: no installed part provides the kind of a condition.
        """
        from .about import Described, adapter_of, checked, require_plain_numbers  # pydantic

        require_plain_numbers(data, "description")
        checked_data = checked(adapter_of(Described), data, "description")
        conditions = {
            name: Column.from_json(column) for name, column in checked_data.conditions.items()
        }
        if strange := [name for name, column in conditions.items() if name != column.name]:
            raise ValueError(f"its entry 'description.conditions.{strange[0]}' has another name")
        return cls(
            checked_data.shape,
            checked_data.dtype,
            checked_data.count,
            conditions,
            checked_data.extra,
            checked_data.fingerprint,
            checked_data.measured,
        )


def extended(description: Description, other: Description) -> Description:
    """A description whose conditions also know the labels and words of another's."""
    conditions = {
        name: column.extended(other.conditions[name])
        if name in other.conditions and other.conditions[name].kind == column.kind
        else column
        for name, column in description.conditions.items()
    }
    return replace(description, conditions=conditions)


def described(path: Path, data: Mapping[str, Any]) -> Description:
    """The description in a weight file or a run's folder. Raises ModelFileError, PluginError."""
    try:
        return Description.from_json(data)
    except ValueError as error:
        raise ModelFileError(f"{path} cannot be used: {error}. {DAMAGED}") from None
