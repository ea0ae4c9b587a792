"""A contact sheet: many pictures in one, to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from difftool import font_path

from .decode import to_image

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
CELL = 96  # small pictures are enlarged, by whole factors, to about this
SIDE = 4096  # of the longest sheet; larger pictures are reduced to fit
GAP = 8
PAPER, INK = (255, 255, 255), (60, 60, 60)
CHECK = (205, 205, 205), (245, 245, 245)


MARK = (255, 40, 120)
"""The tint of what is selected."""

TINT = 0.45


def sheet(
    examples: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    marks: Sequence[np.ndarray | None] = (),
) -> Image.Image:
    """uint8 ``[c, h, w]`` pictures in rows on white, each with its title below; transparency shows
    a checkerboard.

    Args:
        marks: for each picture, what of it is tinted ``[1, h, w]``, as truth values or shares; None
            for nothing.
    """
    columns = _columns(len(examples))
    height, width = (max(example.shape[axis] for example in examples) for axis in (1, 2))
    scale = fitting(height, width, math.ceil(len(examples) / columns), columns)
    return laid(
        [
            shown(example, scale, mark)
            for example, mark in zip_longest(examples, marks[: len(examples)])
        ],
        titles,
        columns,
        round(width * scale) // 8,
    )


def laid(
    pictures: Sequence[Image.Image], titles: Sequence[str], columns: int, letters: int
) -> Image.Image:
    """Pictures on white in rows of ``columns``, each with its title below in letters of about this
    size.
    """
    height, width = (
        max(picture.height for picture in pictures),
        max(picture.width for picture in pictures),
    )
    size = max(11, min(20, letters))
    line = math.ceil(1.5 * size) if any(titles) else 0
    rows = math.ceil(len(pictures) / columns)
    paper = Image.new(
        "RGB", (columns * (width + GAP) + GAP, rows * (height + line + GAP) + GAP), PAPER
    )
    draw = ImageDraw.Draw(paper)
    for i, picture in enumerate(pictures):
        left, top = GAP + i % columns * (width + GAP), GAP + i // columns * (height + line + GAP)
        paper.paste(
            picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2)
        )
        if i < len(titles) and line:
            font = _font(titles[i], size)
            draw.text(
                (left + width / 2, top + height + line / 2),
                _cut(titles[i], draw, font, width),
                INK,
                font,
                anchor="mm",
            )
    return paper


@lru_cache(maxsize=256)
def _font(title: str, size: int) -> Font:
    """Pillow's own font, and for letters that it may lack the font here that has the most of them."""
    return (
        ImageFont.load_default(size)
        if title.isascii()
        else ImageFont.truetype(font_path(title), size)
    )


def _columns(n: int) -> int:
    """About as many columns as rows; if possible, so that the last row is full."""
    square = math.ceil(math.sqrt(n))
    return next(
        (c for c in range(square, square + square // 2 + 1) if n % c == 0), min(n, max(4, square))
    )


def fitting(height: int, width: int, rows: int, columns: int) -> float:
    """The factor by which pictures of a size are enlarged (a whole number) or reduced, so that the
    rows and columns fit on a sheet.
    """
    enlarged = max(1, round(CELL / max(height, width)))
    room = min(SIDE / (columns * width), SIDE / (rows * height))
    return enlarged if enlarged <= room else max(1, int(room)) if room >= 1 else room


def shown(example: np.ndarray, scale: float, mark: np.ndarray | None = None) -> Image.Image:
    """uint8 ``[c, h, w]`` as a picture of another size; enlarged pixels are sharp squares.

    Args:
        mark: where it is tinted ``[1, h, w]``, from 0 to 1.
    """
    image = to_image(example) if mark is None else tinted(to_image(example), mark)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)
    return (
        Image.alpha_composite(_checkerboard(size), image.convert("RGBA"))
        if "A" in image.mode
        else image
    )


def tinted(image: Image.Image, mark: np.ndarray) -> Image.Image:
    """The picture with a tint where it is marked: over light and dark alike."""
    share = np.broadcast_to(mark.astype(np.float32)[0], image.size[::-1])
    over = Image.fromarray((share * TINT * 255).round().astype(np.uint8))
    return Image.composite(Image.new("RGB", image.size, MARK), image.convert("RGB"), over)


def _checkerboard(size: tuple[int, int]) -> Image.Image:
    x, y = np.meshgrid(np.arange(size[0]) // 8, np.arange(size[1]) // 8)
    return Image.fromarray(np.array(CHECK, np.uint8)[(x + y) % 2]).convert("RGBA")


def _cut(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: Font,
    width: int,
) -> str:
    """The start of a title that fits into the width, in pixels; no letter is thinner than one."""
    text = " ".join(text.split())[: width + 1]
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"
