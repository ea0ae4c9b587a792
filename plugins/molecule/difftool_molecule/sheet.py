"""A contact sheet: many molecules in one picture, each as balls and sticks above its title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from PIL import Image

from difftool_image.grid import SIDE, laid

from .ball_and_stick import drawn, extent
from .elements import SYMBOLS
from .molecule import Molecule

CELL, FEWEST = 208, 96
"""Pixels across one picture: on an ordinary sheet, and at the least."""

ASPECT = 0.8
"""Of a picture's height to its width: molecules lie on their longer side."""

LETTERS = 14

CLOSEST = 2.2
"""Angstrom from the middle to the edge of a picture at the least: a methane does not fill it."""

FARTHEST = 1.6
"""A molecule that reaches so many times as far as the middle one of the sheet is drawn smaller, and
does not make all others small.
"""


def sheet(
    examples: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    marks: Sequence[np.ndarray | None] = (),
) -> Image.Image:
    """Float ``[n, 5]`` molecules in rows on white, each with its title below, or its formula where
    it has none.

    All are drawn to one scale, but for those that reach much farther than most.

    Args:
        marks: for each molecule, which atoms are selected ``[n, 1]``; the others, which are kept,
            have a blue ring. None for no rings. Rows without an element are atoms that are yet to
            be made.
    """
    kept = [
        None if mark is None else ~mark[:, 0].astype(bool)[example[:, 3] > 0]
        for example, mark in zip_longest(examples, marks[: len(examples)])
    ]
    examples = [example[example[:, 3] > 0] for example in examples]
    columns = math.ceil(math.sqrt(len(examples)))
    width = max(FEWEST, min(CELL, SIDE // columns))
    height = round(ASPECT * width)
    reaches = [max(CLOSEST, across, down / ASPECT) for across, down in map(extent, examples)]
    common = max(reach for reach in reaches if reach <= FARTHEST * np.median(reaches))
    pictures = [
        drawn(example, width, height, width / 2 / max(common, reach), which)
        for example, reach, which in zip(examples, reaches, kept, strict=True)
    ]
    return laid(
        pictures,
        titles if any(titles) else [formula(example) for example in examples],
        columns,
        LETTERS,
    )


def formula(raw: np.ndarray) -> str:
    """In Hill's order: carbon, hydrogen, then the others by their symbols; all by their symbols
    where there is no carbon.
    """
    symbols = [SYMBOLS[z] for z in Molecule.from_raw(raw).numbers]
    first = ("C", "H") if "C" in symbols else ()
    ordered = sorted(
        {*symbols}, key=lambda symbol: (first.index(symbol) if symbol in first else 2, symbol)
    )
    counts = ((symbol, symbols.count(symbol)) for symbol in ordered)
    return "".join(symbol + str(count) * (count > 1) for symbol, count in counts)
