"""The column of a condition on the time of day. This module must not import torch."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from difftool import Column, DataError, UsageError


@dataclass(frozen=True)
class ClockColumn(Column):
    """Minutes since midnight, written as 13:45; NaN is null. A batch is float32 ``[b]``."""

    kind: ClassVar[str] = "clock"
    null: ClassVar[float] = math.nan

    @classmethod
    def read(cls, name, rows):
        column = cls(name)
        try:
            return column, [column.parse(str(row.get(name, ""))) for row in rows]
        except UsageError as error:
            raise DataError(str(error)) from None

    def parse(self, text):
        if text in ("", "none"):
            return self.null
        hours, _, minutes = text.partition(":")
        if not (hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 > int(minutes) // 3):
            raise UsageError(f"{text!r} is not a time for {self.name}. Write it as 13:45.")
        return 60.0 * int(hours) + int(minutes)

    def show(self, value):
        return None if math.isnan(value) else f"{int(value) // 60:02d}:{int(value) % 60:02d}"

    def draw(self, u):
        return float(int(u * 24 * 60))

    def batch(self, values):
        return np.asarray(values, np.float32)
