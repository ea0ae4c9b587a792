"""Columns of the core's conditioners: label, labels and number; vector and channels, which are not
set by users.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import ClassVar, NoReturn, Self

import numpy as np

from ..column import NULL_WORDS, Column, Rows, Value
from ..errors import DataError, UsageError
from ..shell import set_flag

NULL_LABEL = -1
"""The label that means "not given"."""

BETWEEN = ";"
"""The separator of labels in one cell."""

COMBINATIONS = 1000
"""The number of most frequent combinations of labels that are stored, to draw from."""

WIDEST = 1 << 20
"""Largest number of entries of a computed condition at one place."""


@dataclass(frozen=True)
class LabelColumn(Column):
    """The index of one of ``names``; ``counts`` are their frequencies. A batch is int64 ``[b]``."""

    kind: ClassVar[str] = "label"

    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_counts(self.counts, self.names)

    @classmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, np.ndarray]:
        counts = Counter(text_of(row[name]) for row in rows if row.get(name, "") != "")
        names = sorted(counts, key=natural)
        place = {text: i for i, text in enumerate(names)}
        values = np.asarray(
            [place.get(text_of(row.get(name, "")), NULL_LABEL) for row in rows], np.int64
        )
        return cls(name, tuple(names), tuple(counts[text] for text in names)), values

    @property
    def null(self) -> int:
        return NULL_LABEL

    def parse(self, text: str) -> int:
        text = text.strip()
        if text.lower() in NULL_WORDS and text not in self.names:
            return self.null
        return index_of(text, self.name, self.names)

    def show(self, value: Value) -> str | None:
        return None if value == NULL_LABEL else self.names[int(value)]

    def draw(self, u: float) -> int:
        return as_often(self.counts, u)

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        return np.asarray(values, np.int64)

    def choices(self) -> Sequence[int]:
        return range(len(self.names))

    def entries(self) -> Sequence[str]:
        return self.names

    def extended(self, other: Column) -> Self:
        assert isinstance(other, LabelColumn)
        more = _more(self.names, other.names)
        if not self.counts:
            return replace(self, names=(*self.names, *more))
        often = dict(zip(other.names, other.counts, strict=False))
        counts = (*self.counts, *(often.get(name, 1) for name in more))
        return replace(self, names=(*self.names, *more), counts=counts)

    def moved(self, value: Value, other: Column) -> int:
        assert isinstance(other, LabelColumn)
        return NULL_LABEL if value == NULL_LABEL else self.names.index(other.names[int(value)])

    def meaning(self) -> tuple[str, ...]:
        return self.names


@dataclass(frozen=True)
class LabelsColumn(Column):
    """The sorted indices of any number of ``names``, written as ``cat;drawing``.

    A batch is float32 ``[b, names]``: 1 for present labels, 0 for the others, -1 everywhere for
    null.

    Attributes:
        combinations, counts: the combinations in the data, the most frequent first, and their
            counts.
    """

    kind: ClassVar[str] = "labels"

    names: tuple[str, ...] = ()
    combinations: tuple[tuple[int, ...], ...] = ()
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_counts(self.counts, self.combinations)
        if any(not 0 <= i < len(self.names) for some in self.combinations for i in some):
            raise ValueError("a combination has a label that is not among the names")

    @classmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, list[tuple[int, ...]]]:
        cells = [list(_split(text_of(row.get(name, "")))) for row in rows]
        names = sorted({label for cell in cells for label in cell}, key=natural)
        if not names:
            raise DataError(
                f"The column {name!r} holds no label. Remove the condition: nothing can be learned "
                "from it."
            )
        place = {label: i for i, label in enumerate(names)}
        values = [
            tuple(sorted({place[label] for label in cell})) or (NULL_LABEL,) for cell in cells
        ]
        common = Counter(value for value in values if value != (NULL_LABEL,)).most_common(
            COMBINATIONS
        )
        combinations, counts = zip(*common, strict=True)
        return cls(name, tuple(names), combinations, counts), values

    @property
    def null(self) -> tuple[int, ...]:
        return (NULL_LABEL,)

    def parse(self, text: str) -> tuple[int, ...]:
        if text.strip().lower() in NULL_WORDS and text.strip() not in self.names:
            return self.null
        return tuple(sorted({index_of(label, self.name, self.names) for label in _split(text)}))

    def show(self, value: Value) -> str | None:
        holds = np.flatnonzero(value) if isinstance(value, np.ndarray) else value
        given = value is not None and (np.asarray(value) != NULL_LABEL).all()
        return BETWEEN.join(self.names[i] for i in holds) if given else None

    def draw(self, u: float) -> tuple[int, ...]:
        return self.combinations[as_often(self.counts, u)]

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        rows = np.zeros((len(values), len(self.names)), np.float32)
        for row, value in zip(rows, values, strict=True):
            row[...] = NULL_LABEL if value == self.null else 0.0
            if value != self.null:
                row[list(value)] = 1.0
        return rows

    def choices(self) -> Sequence[tuple[int, ...]]:
        """Each label by itself."""
        return [(i,) for i in range(len(self.names))]

    def entries(self) -> Sequence[str]:
        return self.names

    def extended(self, other: Column) -> Self:
        assert isinstance(other, LabelsColumn)
        made = replace(self, names=(*self.names, *_more(self.names, other.names)))
        old, new = (
            dict(zip(column.combinations, column.counts, strict=True)) for column in (self, other)
        )
        both = old | {
            combination: n
            for theirs, n in new.items()
            if (combination := made.moved(theirs, other)) not in old
        }
        return replace(made, combinations=tuple(both), counts=tuple(both.values()))

    def moved(self, value: Value, other: Column) -> tuple[int, ...]:
        assert isinstance(other, LabelsColumn)
        if tuple(value) == self.null:
            return self.null
        return tuple(sorted(self.names.index(other.names[i]) for i in value))

    def meaning(self) -> tuple[str, ...]:
        return self.names


@dataclass(frozen=True)
class NumberColumn(Column):
    """A number; NaN is null. A batch is float32 ``[b]``.

    Attributes:
        mean, std, low, high: statistics of the data.
    """

    kind: ClassVar[str] = "number"

    mean: float = 0.0
    std: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        if not (self.std >= 0 and self.low <= self.high):
            raise ValueError("a spread is not below 0, and a range goes from low to high")

    @classmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, np.ndarray]:
        try:
            values = np.asarray(
                [
                    float(row.get(name, "") or math.nan) if row.get(name) != 0 else 0.0
                    for row in rows
                ],
                np.float64,
            )
        except ValueError as error:
            raise DataError(
                f"The column {name!r} does not hold numbers only ({error}). Use it as a label: "
                f"{set_flag(('conditions', name, 'use'), 'label')}"
            ) from None
        values[~(np.abs(values) <= np.finfo(np.float32).max)] = math.nan
        present = values[~np.isnan(values)]
        if not len(present):
            raise DataError(
                f"The column {name!r} holds no number. Remove the condition: nothing can be "
                "learned from it."
            )
        mean, std = float(present.mean()), float(present.std())
        # the spread of equal numbers is not exactly 0, because of rounding
        spread = std if std > 1e-7 * abs(mean) else 1.0
        return cls(name, mean, spread, float(present.min()), float(present.max())), values.astype(
            np.float32
        )

    @property
    def null(self) -> float:
        return math.nan

    def parse(self, text: str) -> float:
        text = text.strip()
        if text.lower() in NULL_WORDS:
            return self.null
        try:
            value = float(text)
        except ValueError:
            raise UsageError(
                f"{text!r} is not a number for {self.name}. Choose one such as in the data: from "
                f"{self.low:g} to {self.high:g}."
            ) from None
        if not math.isfinite(value):
            raise UsageError(
                f"{text!r} is not a finite number for {self.name}. Write {self.name}=none to leave "
                "it open."
            )
        return value

    def show(self, value: Value) -> float | None:
        """The shortest digits for the float32 value: 0.1 and not 0.10000000149011612."""
        return None if math.isnan(value) else float(str(np.float32(value)))

    def draw(self, u: float) -> float:
        """Uniformly from the data's range."""
        return self.low + u * (self.high - self.low)

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        return np.asarray(values, np.float32)


class _Computed(Column):
    """A column that a modality or a bridge sets, not a user."""

    settable: ClassVar[bool] = False

    @classmethod
    def read(cls, name: str, rows: Rows) -> NoReturn:
        raise UsageError(
            f"conditions.{name}.use = {cls.kind!r} is not possible. Choose label, labels or "
            f"number: a modality or a bridge computes {cls.kind} from the examples, and no column "
            f"is read as {cls.kind}."
        )

    def parse(self, text: str) -> NoReturn:
        raise UsageError(
            f"The condition {self.name!r} cannot be set with --cond. Leave it out: its {self.kind} "
            "is computed from data."
        )

    def show(self, value: Value) -> None:
        return None


@dataclass(frozen=True)
class VectorColumn(_Computed):
    """``width`` numbers; zeros are null. A batch is float32 ``[b, width]``."""

    kind: ClassVar[str] = "vector"

    width: int = 0

    def __post_init__(self) -> None:
        _require_width(self.width)

    @property
    def null(self) -> np.ndarray:
        return np.zeros(self.width, np.float32)

    def draw(self, u: float) -> np.ndarray:
        """Null: sampling leaves it open. An augmentation of training examples, for instance, is not
        applied to samples.
        """
        return self.null

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        return np.stack(values).astype(np.float32)

    def meaning(self) -> tuple[int, ...]:
        return (self.width,)


@dataclass(frozen=True)
class ChannelsColumn(_Computed):
    """``width`` channels at the positions of the example; zeros are null.

    A batch is float32 ``[b, width, ...]``.
    """

    kind: ClassVar[str] = "channels"
    positional: ClassVar[bool] = True

    width: int = 0

    def __post_init__(self) -> None:
        _require_width(self.width)

    @property
    def null(self) -> Value:
        raise UsageError(
            f"The channels {self.name!r} are not set. Set them in the template: they lie at its "
            "positions."
        )

    def draw(self, u: float) -> Value:
        return self.null

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        return np.stack(values).astype(np.float32)

    def meaning(self) -> tuple[int, ...]:
        return (self.width,)


def _more(names: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The other names that are not known yet."""
    return tuple(name for name in others if name not in set(names))


def _require_counts(counts: Sequence[int], things: Sequence[object]) -> None:
    """Raise ValueError where frequencies do not belong to these things, one each."""
    if counts and (len(counts) != len(things) or min(counts) < 0 or not sum(counts)):
        raise ValueError("the counts are not one for each, none of them below 0")


def _require_width(width: int) -> None:
    if not 0 <= width <= WIDEST:
        raise ValueError(f"a width is between 0 and {WIDEST}")


def index_of(text: str, column: str, names: Sequence[str]) -> int:
    """The index of a label that a user wrote. Raises UsageError with the closest label."""
    if text in names:
        return names.index(text)
    close = get_close_matches(text, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    splits = any(
        text in (part.strip() for part in name.split(",")) for name in names if "," in name
    )
    hint += " Write a label with a comma in double quotes: 'NAME=\"a, b\"'." if splits else ""
    shown = ", ".join(names[:20]) + (f", … ({len(names)} in all)" if len(names) > 20 else "")
    raise UsageError(f"{text!r} is not a {column} of this model.{hint} It was trained on: {shown}.")


def as_often(counts: Sequence[int], u: float) -> int:
    """An index with probability proportional to ``counts``; ``u`` is uniform in [0, 1)."""
    edges = np.cumsum(counts) / sum(counts)
    return int(np.searchsorted(edges, u, side="right"))


def text_of(value: str | float) -> str:
    """The label of a cell; a whole number has no decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Sort key that puts ``class2`` before ``class10``."""
    return [
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in re.split(r"(\d+)", text)
        if part
    ]


def _split(text: str) -> Iterator[str]:
    return (label for part in text.split(BETWEEN) if (label := part.strip()))
