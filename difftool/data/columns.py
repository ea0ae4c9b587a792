"""Columns: what folders and metadata say of the examples, as conditions for the network."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..description import NULL_LABEL, Condition
from ..errors import DataError

Columns = Sequence[Mapping[str, str | float]]

AUTOMATIC = ("class", "label")
"""Columns that become a label condition without being asked for."""


def names_of(columns: Columns) -> list[str]:
    """Every column that some example has, in order of appearance."""
    return list(dict.fromkeys(name for row in columns for name in row))


def automatic(columns: Columns) -> str | None:
    """The column that is evidently the examples' class, if there is one with 2 to 1000 values that recur."""
    for name in AUTOMATIC:
        values = {str(row[name]) for row in columns if name in row}
        if 2 <= len(values) <= min(1000, len(columns) // 2):
            return name
    return None


def numeric(name: str, columns: Columns) -> bool:
    """Whether every value that the column has is a number."""
    return all(isinstance(row[name], float | int) for row in columns if row.get(name, "") != "")


def condition(name: str, kind: str, columns: Columns) -> tuple[Condition, np.ndarray]:
    """The condition that a column makes, and its value for every example (null where the column is empty).

    Raises:
        DataError: the column is missing, or is not numbers where numbers are asked for.
    """
    if name not in (known := names_of(columns)):
        raise DataError(
            f"The data has no column {name!r} to condition on. It has: {', '.join(known) or 'none'}. "
            "Columns come from subfolders (class), captions, and metadata.csv or metadata.jsonl."
        )
    return _label(name, columns) if kind == "label" else _number(name, columns)


def _label(name: str, columns: Columns) -> tuple[Condition, np.ndarray]:
    counts = Counter(text_of(row[name]) for row in columns if row.get(name, "") != "")
    names = sorted(counts, key=_natural)
    place = {text: i for i, text in enumerate(names)}
    values = np.asarray([place.get(text_of(row.get(name, "")), NULL_LABEL) for row in columns], np.int64)
    return Condition(name, "label", tuple(names), tuple(counts[text] for text in names)), values


def _number(name: str, columns: Columns) -> tuple[Condition, np.ndarray]:
    try:
        values = np.asarray([float(row.get(name, "") or math.nan) if row.get(name) != 0 else 0.0 for row in columns], np.float64)
    except ValueError as error:
        raise DataError(
            f"The column {name!r} is not all numbers ({error}). Use it as a label instead: --set conditions.{name}.use=label"
        ) from None
    values[~(np.abs(values) <= np.finfo(np.float32).max)] = math.nan
    known = values[~np.isnan(values)]
    if not len(known):
        raise DataError(f"The column {name!r} holds no number at all, so nothing can be learned from it.")
    mean, std = float(known.mean()), float(known.std())
    spread = std if std > 1e-7 * abs(mean) else 1.0  # of equal numbers, rounding leaves a spread that is not quite none
    found = Condition(name, "number", mean=mean, std=spread, low=float(known.min()), high=float(known.max()))
    return found, values.astype(np.float32)


def text_of(value: str | float) -> str:
    """A value as the name of a label."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Sort key under which ``class2`` comes before ``class10``."""
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", text) if part]
