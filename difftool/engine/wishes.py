"""What a user writes of a condition: one value, or several that hold at once, ``red AND round``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..column import Column, Value
from ..errors import UsageError

AND = " AND "

_WEIGHTED = re.compile(r"(.*\S)\s+:(-?(?:\d+\.?\d*|\.\d+))")


@dataclass(frozen=True, slots=True)
class Together:
    """Values that one sample shall have at once.

    Attributes:
        text: what the user wrote.
        parts: each value with its weight.
    """

    text: str
    parts: tuple[tuple[Value, float], ...]


Wish = Value | Together


def wish(column: Column, text: str) -> Wish:
    """The meaning of ``A AND B``, ``A :1.2 AND B :-0.5`` or ``A``. Raises UsageError.

    A label that contains the word itself is that label.
    """
    if AND not in text or text in map(column.show, column.choices()):
        return column.parse(text)
    return Together(text, tuple(_part(column, part) for part in text.split(AND)))


def _part(column: Column, text: str) -> tuple[Value, float]:
    text = text.strip()
    found = _WEIGHTED.fullmatch(text)
    value = column.parse(found[1] if found else text)
    if column.show(value) is None:
        raise UsageError(
            f"A part of {column.name} is empty, but AND joins values. Write one on both sides of "
            "each AND."
        )
    return value, float(found[2]) if found else 1.0


def value_of(wish: Wish) -> Value:
    """The value, or that of the first part."""
    return wish.parts[0][0] if isinstance(wish, Together) else wish


def shown(column: Column, wish: Wish) -> str | float | None:
    """A wish as a user writes it; None for null."""
    return wish.text if isinstance(wish, Together) else column.show(wish)


def joined(chosen: Mapping[str, Sequence[Wish]]) -> str | None:
    """The condition that has several values at once; None if there is none.

    Raises:
        UsageError: there are two of them.
    """
    names = [
        name for name, wishes in chosen.items() if any(isinstance(one, Together) for one in wishes)
    ]
    if len(names) > 1:
        raise UsageError(
            f"AND joins values of {' and of '.join(names)}. Use it in one condition at a time: "
            "several values of several conditions could belong together in many ways."
        )
    return names[0] if names else None


def parts_of(
    column: Column, wishes: Sequence[Wish]
) -> tuple[list[Sequence[Value]], list[list[float]]]:
    """The parts of wishes side by side: the values of each part, ``[parts][samples]``, and for
    each sample the weights of its parts, 0 for those that it does not have.
    """
    rows = [one.parts if isinstance(one, Together) else ((one, 1.0),) for one in wishes]
    n = max(map(len, rows))
    full = [(*row, *[(column.null, 0.0)] * (n - len(row))) for row in rows]
    return (
        [[row[k][0] for row in full] for k in range(n)],
        [[weight for _, weight in row] for row in full],
    )
