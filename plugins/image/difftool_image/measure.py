"""Sizes and channels of many pictures, from their headers, and the values of ``auto``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from difftool import DataError, Item, parallel, pick_evenly, readable

from .decode import Header, decode, header
from .options import ImageOptions

SAMPLE = 20_000
"""Headers looked at for the sizes; folders beyond it are sampled evenly."""

LARGEST_AUTO = 64
OPAQUE_SAMPLE = 64
OPAQUE_FORMATS = (".jpg", ".jpeg", ".jfif")  # cannot be transparent


def settle(options: ImageOptions, items: Sequence[Item]) -> dict[str, Any]:
    """The options that are ``auto``, by name, as these pictures would have them.

    Raises:
        DataError: none of them can be opened.
    """
    found: dict[str, Any] = {}
    measures = options.size == "native" and not options.side
    if "auto" not in (options.size, options.channels) and not measures:
        return found
    seen = readable(header, some := pick_evenly(items, SAMPLE))
    if options.size == "auto":
        found["size"] = auto_size([(h.height, h.width) for h in seen])
    if measures:
        found["side"] = area_side([(h.height, h.width) for h in seen])
    if options.channels == "auto":
        found["channels"] = auto_channels(items, seen, len(some))
    return found


def auto_size(sizes: Sequence[tuple[int, int]]) -> int | tuple[int, int]:
    """The size for pictures of these heights and widths.

    Their own size if all have one size of at most 64 pixels. Otherwise a square whose side is the
    median of their shorter sides, rounded down to a multiple of 8, and at most 64.
    """
    size, *others = set(sizes)
    if not others and min(size) >= 4 and max(size) <= LARGEST_AUTO:
        return size[0] if size[0] == size[1] else size
    side = int(np.median([min(size) for size in sizes]))
    return max(8, min(LARGEST_AUTO, side // 8 * 8))


def area_side(sizes: Sequence[tuple[int, int]]) -> int:
    """The side of a square of the median area of pictures of these heights and widths, rounded down
    to a multiple of 8, and at most 64.
    """
    side = int(np.median([np.sqrt(height * width) for height, width in sizes]))
    return max(8, min(LARGEST_AUTO, side // 8 * 8))


def auto_channels(items: Sequence[Item], seen: Sequence[Header], sampled: int) -> str:
    """The fewest channels that keep everything in all pictures.

    Every file that could have colour is checked for colour, even if only ``sampled`` of them were
    measured.
    """
    found = {h.channels for h in seen}
    if sampled < len(items):
        rest = (item for item in items if not (_is_opaque(item.path) and found & {"rgb", "rgba"}))
        found |= {h.channels for h in parallel(_header, (item.path for item in rest)) if h}
    colour = bool(found & {"rgb", "rgba"})
    alpha = bool(found & {"grey+alpha", "rgba"}) and _uses_alpha(items)
    return ("rgba" if alpha else "rgb") if colour else ("grey+alpha" if alpha else "grey")


def _is_opaque(path: Path) -> bool:
    return path.suffix.lower() in OPAQUE_FORMATS


def _uses_alpha(items: Sequence[Item]) -> bool:
    """Whether some picture is really transparent.

    Screenshots have an alpha channel that is opaque everywhere, so some pictures are decoded.
    """
    some = pick_evenly([item for item in items if not _is_opaque(item.path)], SAMPLE)
    able = [
        item
        for item in some
        if (seen := _header(item.path)) and seen.channels in ("grey+alpha", "rgba")
    ]
    return any(_is_transparent(item.path) for item in pick_evenly(able, OPAQUE_SAMPLE))


def _is_transparent(path: Path) -> bool:
    try:
        image = decode(path)
    except DataError:
        return False
    return image.getchannel("A").getextrema()[0] < 255  # type: ignore[operator]


def _header(path: Path) -> Header | None:
    try:
        return header(path)
    except DataError:
        return None
