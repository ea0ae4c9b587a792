"""A contact sheet: many clips in one picture, each as a row of frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from PIL import Image

from difftool_image.grid import PAPER, fitting, laid, shown

MOST, FEWEST = 16, 8
"""Frames shown of a long clip: as many of small ones, as few of large ones."""

SEAM = 2  # pixels between frames
LETTERS = 14


def sheet(
    examples: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    marks: Sequence[np.ndarray | None] = (),
) -> Image.Image:
    """uint8 ``[t, c, h, w]`` clips, of any lengths and sizes, each as a row of frames with its
    title below.

    Of a clip of more frames than are shown, they are evenly chosen, with the first and the last
    among them.

    Args:
        marks: for each clip, what of it is tinted ``[t, 1, h, w]``, as truth values or shares; None
            for nothing.
    """
    height, width = (max(example.shape[axis] for example in examples) for axis in (2, 3))
    most = max(FEWEST, min(MOST, MOST * 128 // max(height, width)))
    frames = min(most, max(len(example) for example in examples))
    columns = _columns(len(examples), frames * width / height)
    scale = fitting(height, width, math.ceil(len(examples) / columns), columns * frames)
    return laid(
        [
            _strip(example, mark, frames, round(width * scale), scale)
            for example, mark in zip_longest(examples, marks[: len(examples)])
        ],
        titles,
        columns,
        LETTERS,
    )


def _columns(n: int, aspect: float) -> int:
    """How many clips side by side make ``n`` rows of frames, each so many times as wide as high,
    most nearly a square.
    """
    return min(
        range(1, n + 1),
        key=lambda columns: abs(math.log(columns * aspect / math.ceil(n / columns))),
    )


def _strip(
    example: np.ndarray, mark: np.ndarray | None, frames: int, width: int, scale: float
) -> Image.Image:
    """At most this many frames of a clip, side by side from the left, in cells of equal width."""
    pictures = [
        shown(example[k], scale, None if mark is None else mark[min(k, len(mark) - 1)])
        for k in chosen(len(example), frames)
    ]
    strip = Image.new("RGB", (frames * (width + SEAM) - SEAM, pictures[0].height), PAPER)
    for place, picture in enumerate(pictures):
        strip.paste(picture, (place * (width + SEAM), 0))
    return strip


def chosen(n: int, most: int) -> list[int]:
    """The indices of the frames, of ``n``, that are shown."""
    return list(range(n)) if n <= most else [round(k * (n - 1) / (most - 1)) for k in range(most)]
