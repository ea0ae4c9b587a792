"""What part of a picture the user means, for ``difftool edit``."""

from __future__ import annotations

import numpy as np
from PIL import Image

from difftool import DataError, UsageError, local_path, slices, softened

from .options import ImageSelection


def selected(
    example: np.ndarray, selection: ImageSelection
) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture ``[c, h, w]`` with the border that is asked for, and what is meant ``[1, h, w]``.

    Raises UsageError where the selection does not fit the picture.
    """
    _, height, width = example.shape
    meant = np.zeros((1, height, width), bool)
    if selection.region:
        meant[(slice(None), *slices(selection.region, (height, width), "--region"))] = True
    if selection.mask:
        meant |= white(selection.mask, (height, width))
    border = ((0, 0), (selection.top, selection.bottom), (selection.left, selection.right))
    if any(n for pair in border for n in pair):
        example = np.pad(example, border, mode="edge")
        meant = np.pad(meant, border, constant_values=True)
    elif not selection.region and not selection.mask:
        return example, None
    soft = selection.soft
    return example, softened(meant, (0, soft, soft)) if soft else meant


def _meaning(picture: Image.Image) -> np.ndarray:
    """How opaque each pixel is, where that differs; else how bright."""
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < alpha.max():
            return alpha
    return np.asarray(picture.convert("L"))


def white(name: str, size: tuple[int, int]) -> np.ndarray:
    """Where a mask's picture is white, or opaque if it has transparency: ``[1, h, w]``.

    Raises DataError, UsageError.
    """
    try:
        with Image.open(local_path(name)) as picture:
            picture.load()
            values = _meaning(picture)
    except OSError as error:
        raise DataError(
            f"The mask {name} cannot be read: {error}. Use a picture, white where it is to be made."
        ) from None
    if values.shape != size:
        raise UsageError(
            f"The mask {name} has {values.shape[0]}x{values.shape[1]} pixels, and the picture has "
            f"{size[0]}x{size[1]}. Make a mask of the picture's size."
        )
    return values[None] > 127
