"""Captions as a column: a value is the text itself, and a row of a batch is its bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from difftool import Column, UsageError

PADDING = -1


@dataclass(frozen=True)
class CaptionColumn(Column):
    """Text of at most ``length`` bytes; "" is null. A batch is int64 ``[b, length]``, -1 behind the text."""

    kind: ClassVar[str] = "caption"

    length: int = 0
    texts: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str, rows: Sequence) -> tuple[Self, list[str]]:
        values = [str(row.get(name, "")) for row in rows]
        texts = [
            text for text, _ in Counter(filter(None, values)).most_common(100) for _ in range(_)
        ]
        return cls(name, max(len(text.encode()) for text in values), tuple(texts)), values

    @property
    def null(self) -> str:
        return ""

    def parse(self, text: str) -> str:
        if len(text.encode()) > self.length:
            raise UsageError(
                f"{text!r} is longer than the {self.length} bytes of the longest {self.name} in the data. Write a shorter one."
            )
        return "" if text == "none" else text

    def show(self, value: str) -> str | None:
        return value or None

    def draw(self, u: float) -> str:
        return self.texts[int(u * len(self.texts))]

    def batch(self, values: Sequence[str]) -> np.ndarray:
        rows = np.full((len(values), self.length), PADDING, np.int64)
        for row, text in zip(rows, values, strict=True):
            row[: len(text.encode())] = list(text.encode())
        return rows
