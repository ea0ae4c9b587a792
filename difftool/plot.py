"""plotted: raw examples of any kind as one figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .files import replacing
from .fonts import font_families


def drawn(axes: Any, example: np.ndarray) -> None:
    """Draw an array ``[c, n...]`` into matplotlib axes.

    With one axis after the channels, each channel is a curve; with several, slices and channels are
    stacked in one heat map.
    """
    if example.ndim <= 2:
        axes.plot(example.T)
    else:
        axes.imshow(example.reshape(-1, example.shape[-1]), aspect="auto")


def plotted(
    examples: Sequence[np.ndarray],
    path: Path,
    titles: Sequence[str] = (),
    draw: Callable[[Any, np.ndarray], None] = drawn,
) -> Path:
    """Draw arrays side by side into a PNG file; returns its path.

    Args:
        draw: draws one example into matplotlib axes.
    """
    columns = math.ceil(math.sqrt(len(examples)))
    rows = math.ceil(len(examples) / columns)
    figure = Figure(figsize=(2 * columns, 1.5 * rows), layout="constrained")
    for i, example in enumerate(examples):
        axes = figure.add_subplot(rows, columns, i + 1)
        title = titles[i] if i < len(titles) else ""
        axes.set_title(title, fontfamily=None if title.isascii() else font_families(title))
        draw(axes, example)
        axes.set_axis_off()
    with replacing(path) as partial:
        figure.savefig(partial, format="png")
    return path
