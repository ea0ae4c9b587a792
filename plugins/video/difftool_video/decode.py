"""A video or a folder of numbered pictures of any format -> uint8 ``[t, c, h, w]`` at one rate and
size.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from difftool import remark
from difftool_image.decode import header as picture_header
from difftool_image.decode import to_array
from difftool_image.resize import resize as resized

from . import container, numbered
from .picture import is_grey, picture, sideways, square
from .retime import retime
from .suffixes import PICTURES

BLOCK = 1 << 24  # bytes of raw frames handed over at once, about


class Header(NamedTuple):
    """What a clip is, seen without decoding more than its first frame, upright and in square
    pixels.

    Attributes:
        rate: frames per second; 0.0 where there is none, since it is made of pictures.
        seconds: 0.0 where they are not known.
        channels: grey or rgb.
        frames: number of its pictures, where it is made of them.
    """

    height: int
    width: int
    rate: float
    seconds: float
    channels: str
    frames: int = 0


def header(path: Path) -> Header:
    """What a clip's header promises, be it a file or a folder of numbered pictures.

    Raises DataError when it cannot be read.
    """
    if pictures := _pictures(path):
        height, width, channels = picture_header(pictures[0])
        return Header(
            height, width, 0.0, 0.0, "rgb" if channels.startswith("rgb") else "grey", len(pictures)
        )
    with container.opened(path) as video:
        frame = video.first()
        width, height = square(frame.width, frame.height, video.aspect)
        size = (width, height) if sideways(frame) else (height, width)
        return Header(*size, video.rate, video.seconds, "grey" if is_grey(frame) else "rgb")


def glance(path: Path) -> Iterator[Image.Image]:
    """Two frames of a clip, at its start and near its middle, without decoding the rest."""
    if pictures := _pictures(path):
        yield from numbered.frames([pictures[0], pictures[len(pictures) // 2]])
        return
    for seek in (False, True):
        with container.opened(path) as video:
            if seek and not video.seek_middle():
                return
            yield picture(video.first(), video.aspect)


def clip(
    path: Path,
    fps: float,
    height: int,
    width: int,
    channels: str,
    resize: str,
    background: str,
    reduce: str = "lanczos",
) -> Iterator[np.ndarray]:
    """The clip as blocks of a few frames, uint8 ``[n, c, height, width]``, ``fps`` of them to a
    second.

    Args:
        path: a video; or a folder of numbered pictures or a single one, each of which is one frame
            whatever the rate.
        channels: grey or rgb.
        resize: crop, pad or stretch.
        background: black or white, around padding and behind transparency.
        reduce: lanczos or area, by which larger pictures are made smaller.

    Raises:
        DataError: nothing of it can be decoded. Where it is damaged or cut short later on, what
            comes before is used, and that is remarked on.
    """
    yield from _blocks(
        _arrays(path, fps, _Fit(height, width, channels, resize, background, reduce))
    )


class _Fit:
    """Brings the frames of a clip to the training size and channels: uint8 ``[c, height, width]``."""

    def __init__(
        self, height: int, width: int, channels: str, resize: str, background: str, reduce: str
    ) -> None:
        self.height, self.width, self.channels, self.background = (
            height,
            width,
            channels,
            background,
        )
        self._resized = partial(
            resized, height=height, width=width, how=resize, background=background, reduce=reduce
        )
        self._told = False

    @property
    def near(self) -> int:
        return max(self.height, self.width)

    def __call__(self, image: Image.Image) -> np.ndarray:
        self._tell_transparent(image)
        return to_array(self._resized(image), self.channels, self.background)

    def _tell_transparent(self, image: Image.Image) -> None:
        if not self._told and "A" in image.mode and np.asarray(image.getchannel("A")).min() < 255:
            remark(f"transparent in places: {self.background} shows through")
            self._told = True


def _arrays(path: Path, fps: float, fit: _Fit) -> Iterator[np.ndarray]:
    if pictures := _pictures(path):
        yield from map(fit, numbered.frames(pictures, fit.near))
        return
    with container.opened(path) as video:
        array, made_of = np.empty(0), None
        for frame in retime(video.frames(), video.rate, fps):
            if frame is not made_of:  # else it repeats
                array, made_of = fit(picture(frame, video.aspect, fit.near)), frame
            yield array


def _pictures(path: Path) -> list[Path]:
    """The pictures of a clip; empty if it is a video."""
    if os.path.isdir(path):
        return numbered.pictures(path)
    return [path] if path.suffix.lower() in PICTURES else []


def _blocks(arrays: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    held: list[np.ndarray] = []
    for array in arrays:
        held.append(array)
        if (len(held) + 1) * array.nbytes > BLOCK:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)
