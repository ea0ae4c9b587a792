"""Description: what a data set turned out to be. Measured once, kept in the model file, so sampling needs no data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import Any

from .errors import UsageError

NULL_LABEL = -1
"""The label that means "not given"."""

NULL_WORDS = ("none", "")


@dataclass(frozen=True, slots=True)
class Condition:
    """One column of the data that a model can be conditioned on.

    Attributes:
        name: the column's name.
        kind: ``label`` (one of ``names``), ``number``, ``vector`` (of ``width`` numbers), or ``channels`` (``width`` of them, beside x).
        names: the labels, in the order of their indices.
        counts: how often each label occurs in the data.
        mean, std, low, high: of a number column.
        width: of a vector, or of channels.
    """

    name: str
    kind: str
    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    low: float = 0.0
    high: float = 0.0
    width: int = 0

    def parse(self, text: str) -> float:
        """The value that a user wrote: a label's index, or the number; null for ``none``. Raises UsageError."""
        text = text.strip()
        if text.lower() in NULL_WORDS and text not in self.names:
            return NULL_LABEL if self.kind == "label" else math.nan
        if self.kind == "label":
            return self._label(text)
        if self.kind == "number":
            return self._number(text)
        raise UsageError(
            f"The condition {self.name!r} is not one value and cannot be given with --cond: the {self.kind} are made from data."
        )

    def _label(self, text: str) -> float:
        if text in self.names:
            return self.names.index(text)
        close = get_close_matches(text, self.names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        hint += " A label that holds a comma is written in double quotes: 'NAME=\"a, b\"'." if self._splits(text) else ""
        shown = ", ".join(self.names[:20]) + (f", … ({len(self.names)} in all)" if len(self.names) > 20 else "")
        raise UsageError(f"{text!r} is not a {self.name} of this model.{hint} It was trained on: {shown}.")

    def _splits(self, text: str) -> bool:
        """Whether the text is a part of a label that holds a comma."""
        return any(text in (part.strip() for part in name.split(",")) for name in self.names if "," in name)

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise UsageError(
                f"{self.name} takes a number, and {text!r} is none. The data ranged from {self.low:g} to {self.high:g}."
            ) from None
        if not math.isfinite(value):
            raise UsageError(f"{self.name} takes a finite number; write {self.name}=none to leave it open.")
        return value

    def show(self, value: float) -> str | float | None:
        """The value as a user would write it; None for null."""
        if self.kind == "label":
            return None if value == NULL_LABEL else self.names[int(value)]
        return None if math.isnan(value) else value


@dataclass(frozen=True, slots=True)
class Description:
    """The data as the network will meet it.

    Attributes:
        shape: of one example in raw units; None for an axis that varies.
        dtype: numpy's name of the raw type, such as ``uint8``.
        count: number of examples.
        conditions: by name.
        extra: what the modality knows of the data and needs again when sampling (JSON values only).
        measured: what the representation and the bridge measured on the data, such as its mean (JSON values only).
        fingerprint: hash of the decoded examples and their columns; a resumed run says so where it is another.
    """

    shape: tuple[int | None, ...]
    dtype: str
    count: int
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Description:
        conditions = {
            name: Condition(**{**c, "names": tuple(c["names"]), "counts": tuple(c["counts"])}) for name, c in data["conditions"].items()
        }
        measured = dict(data.get("measured", {}))
        return cls(
            tuple(data["shape"]), data["dtype"], data["count"], conditions, dict(data["extra"]), data.get("fingerprint", ""), measured
        )
