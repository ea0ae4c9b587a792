"""Slices as users write them, such as 10:40,5:60."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import UsageError


def slices(text: str, sizes: Sequence[int], flag: str, rate: float = 1.0) -> list[slice]:
    """One slice for each axis, from texts such as ``10:40,5:60``; both ends may be left out.

    Args:
        sizes: of the axes; a slice must lie within them and may not be empty.
        flag: what the user wrote it after, for the message.
        rate: positions per unit of the numbers, such as samples per second.

    Raises:
        UsageError: the text has another form, or does not fit.
    """
    parts = text.split(",")
    if len(parts) != len(sizes):
        form = ",".join(["FROM:TO"] * len(sizes))
        raise UsageError(f"{flag} {text} does not have the form {form}.")
    return [
        _slice(part, size, f"{flag} {text}", rate) for part, size in zip(parts, sizes, strict=True)
    ]


def _slice(part: str, size: int, whole: str, rate: float) -> slice:
    first, colon, last = part.partition(":")
    try:
        start = round(float(first.strip().removesuffix("s")) * rate) if first.strip() else 0
        stop = round(float(last.strip().removesuffix("s")) * rate) if last.strip() else size
    except (ValueError, OverflowError):
        colon, start, stop = "", 0, 0
    if not colon:
        raise UsageError(f"{whole}: {part} does not have the form FROM:TO, such as 4:12.")
    if not 0 <= start < stop <= size:
        raise UsageError(
            f"{whole}: {part} is not a part of the example, which goes from 0 to {size / rate:g}."
        )
    return slice(start, stop)


def softened(marks: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    """Truth values with soft edges: float32, 1 where something is marked, and around it less and
    less.

    Args:
        widths: for each axis, the distance over which the value falls from 1 to 0.
    """
    shares = np.where(marks, 1.0, 0.0)
    for axis, width in enumerate(widths):
        for backwards in (False, True):
            side = np.moveaxis(np.flip(shares, axis) if backwards else shares, axis, -1)
            slope = np.arange(side.shape[-1]) / (width + 1)
            side = np.maximum.accumulate(side + slope, -1) - slope
            side = np.moveaxis(side, -1, axis)
            shares = np.flip(side, axis) if backwards else side
    return np.where(marks, 1.0, shares * (shares > 1e-9)).astype(np.float32)
