"""Description: what a data set turned out to be. Measured once, kept in the model file, so sampling needs no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .column import Column

Condition = Column
"""A column's older name, which plugins may still use."""


@dataclass(frozen=True, slots=True)
class Description:
    """The data as the network will meet it.

    Attributes:
        shape: of one example in raw units; None for an axis that varies.
        dtype: numpy's name of the raw type, such as ``uint8``.
        count: number of examples.
        conditions: the columns that a model is conditioned on, by name.
        extra: what the modality knows of the data and needs again when sampling (JSON values only).
        measured: what the representation and the bridge measured on the data, such as its mean (JSON values only).
        fingerprint: hash of the decoded examples and their columns; a resumed run says so where it is another.
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
        return {**plain, "conditions": {name: column.to_json() for name, column in self.conditions.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Description:
        """Raises PluginError where a condition is of a kind that nothing installed knows."""
        conditions = {name: Column.from_json(column) for name, column in data["conditions"].items()}
        measured = dict(data.get("measured", {}))
        return cls(
            tuple(data["shape"]), data["dtype"], data["count"], conditions, dict(data["extra"]), data.get("fingerprint", ""), measured
        )
