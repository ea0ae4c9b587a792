"""Columns: values from folders and metadata that can become conditions of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..column import Column, Rows, Value
from ..conditioners.columns import text_of as text_of
from ..errors import DataError
from ..options import Options

AUTOMATIC = ("class", "label")
"""Columns that become a label condition by default."""


def names_of(columns: Rows) -> list[str]:
    """All column names, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in columns for name in row))


def automatic(columns: Rows) -> str | None:
    """The column that holds the class: one of ``AUTOMATIC`` with 2 to 1000 values that recur."""
    for name in AUTOMATIC:
        values = {str(row[name]) for row in columns if name in row}
        if 2 <= len(values) <= min(1000, len(columns) // 2):
            return name
    return None


def numeric(name: str, columns: Rows) -> bool:
    """Whether every non-empty value of the column is a number."""
    return all(isinstance(row[name], float | int) for row in columns if row.get(name, "") != "")


def condition(
    name: str, kind: type[Column], columns: Rows, options: Options | None = None
) -> tuple[Column, Sequence[Value] | np.ndarray]:
    """The condition of a column, and its value for every example (null where the column is empty).

    Raises:
        DataError: the column is missing, or its values are not of this kind.
        UsageError: this kind of condition cannot be read from data.
    """
    if name not in (known := names_of(columns)):
        raise DataError(
            f"The data has no column {name!r} to condition on. It has: "
            f"{', '.join(known) or 'none'}. Columns come from subfolders (class), captions, and "
            "metadata.csv or metadata.jsonl."
        )
    return kind.read(name, columns) if options is None else kind.read_as(name, columns, options)
