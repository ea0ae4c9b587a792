"""Sizes, rates, lengths and colours of many videos, and the values of ``auto``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from difftool import DataError, Item, parallel, pick_evenly, readable
from difftool_image.measure import area_side, auto_size

from .decode import Header, glance, header
from .options import FRAMES_AUTO, VideoOptions
from .retime import SAME, first_moment, whole_ratio

SAMPLE = 500
"""Headers looked at; folders beyond it are sampled evenly.

A header takes the decoding of a frame.
"""

COLOUR_SAMPLE = 64
COLOURED = 8  # of 255, that two channels are apart: less is what compression does to grey
FASTEST_AUTO = 15.0  # frames per second
UNKNOWN_RATE = 8.0  # where there are pictures only


def settle(options: VideoOptions, items: Sequence[Item]) -> dict[str, Any]:
    """The options that are ``auto``, by name, as these videos would have them.

    Raises:
        DataError: none of them can be opened.
    """
    missing = [
        name for name in ("size", "channels", "fps", "frames") if getattr(options, name) == "auto"
    ]
    missing += ["side"] if options.size == "native" and not options.side else []
    if not missing:
        return {}
    seen = readable(header, pick_evenly(items, SAMPLE))
    fps = auto_fps(seen) if options.fps == "auto" else options.fps
    found = {
        "size": lambda: auto_size([(one.height, one.width) for one in seen]),
        "side": lambda: area_side([(one.height, one.width) for one in seen]),
        "channels": lambda: auto_channels(items),
        "fps": lambda: fps,
        "frames": lambda: auto_frames(seen, fps),
    }
    return {name: found[name]() for name in missing}


def auto_fps(seen: Sequence[Header]) -> float:
    """The most common rate, divided by the smallest whole number that makes it at most 15.

    Rates within about a thousandth of a whole number count as that number: 29.97 as 30. Nobody sees
    the difference.
    """
    rates = Counter(_rounded(one.rate) for one in seen if one.rate)
    if not rates:
        return UNKNOWN_RATE
    rate = max(rates, key=lambda rate: (rates[rate], rate))
    return rate / ceil(rate / FASTEST_AUTO)


def auto_frames(seen: Sequence[Header], fps: float) -> int:
    """16, or the length of the longest video at ``fps`` if that is less; at least 2."""
    return max(2, min(FRAMES_AUTO, max(frames_at(one, fps) for one in seen)))


def frames_at(one: Header, fps: float) -> int:
    """The number of frames of a clip at ``fps``, from its header; ``FRAMES_AUTO`` if the header
    does not state its length.
    """
    if one.frames or not one.seconds:
        return one.frames or FRAMES_AUTO
    count, step = one.seconds * one.rate, whole_ratio(one.rate / fps)
    return max(1, ceil((count - first_moment(step)) / step)) if count >= 1.5 else 1


def auto_channels(items: Sequence[Item]) -> str:
    """``grey`` if none of the frames that were checked shows a colour; videos are sampled evenly."""
    return (
        "rgb"
        if any(parallel(_shows_colour, (item.path for item in pick_evenly(items, COLOUR_SAMPLE))))
        else "grey"
    )


def coloured(image: Image.Image) -> bool:
    """Whether any pixel differs from grey by more than compression causes."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    red, green, blue = (np.asarray(band, np.int16) for band in image.split()[:3])
    return (
        max(
            int(np.abs(red - green).max()),
            int(np.abs(green - blue).max()),
            int(np.abs(red - blue).max()),
        )
        > COLOURED
    )


def _shows_colour(path: Path) -> bool:
    try:
        return any(map(coloured, glance(path)))
    except DataError:
        return False


def _rounded(rate: float) -> float:
    return float(round(rate)) if abs(rate - round(rate)) <= SAME * rate else rate
