"""Raw clips to MP4 and GIF files, written atomically, with their provenance."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image

from difftool import DifftoolError, creating
from difftool_image.decode import to_image

Format = Literal["mp4", "gif"]

ENCODERS = {
    "libx264": {"crf": "12", "preset": "medium", "x264-params": "cpu-independent=1"},
    "libopenh264": {"b": "50M", "qmin": "1", "qmax": "16"},  # for FFmpeg without the former
}
"""Encoders of H.264 in order of preference, with settings that keep brightness to 48 dB and better.

Left to itself, x264 writes the same clip differently from one time to the next.
"""

BT709 = (
    np.array(
        [[46.559, 156.629, 15.812], [-25.664, -86.336, 112.0], [112.0, -101.730, -10.270]],
        np.float32,
    )
    / 255
)
"""Red, green and blue to Y - 16, Cb - 128 and Cr - 128 in limited range (ITU-R BT.709, sections 3
and 4).
"""

COLOURS = 256
"""What a GIF's palette holds."""

PALETTE_FROM = 1 << 16
"""Pixels that a palette is chosen by. More make it no better, only slower."""

SHORTEST = 2
"""Hundredths of a second that a frame of a GIF is shown at the least: where it is less, browsers
show it for ten.
"""


def write(
    example: np.ndarray, fps: float, stem: Path, format: Format, info: Mapping[str, Any]
) -> Path:
    """Write uint8 ``[t, c, h, w]`` to ``stem`` plus the format's suffix; returns the path.

    An MP4 is H.264 in yuv420p, which every browser plays: brightness is as good as kept, colour has
    half the resolution. It has no odd sizes, so the last row or column is repeated where that makes
    them even. A GIF has at most 256 colours, the same in all frames (exact where the clip has no
    more), frames alike are one that is shown for longer, and of a clip of more than 50 frames per
    second only every second or third is kept.

    Args:
        fps: frames per second.
        info: provenance, kept as JSON in the file's comment.

    Raises:
        UsageError: the file exists; it is left as it was.
        DifftoolError: this build of FFmpeg has no H.264 encoder, or the disk is full.
    """
    path = stem.with_name(f"{stem.name}.{format}")
    with creating(path) as partial:
        WRITERS[format](example, fps, partial, json.dumps(info, default=str) if info else "")
    return path


# --- MP4 ------------------------------------------------------------------------------------------


def _write_mp4(example: np.ndarray, fps: float, path: Path, comment: str) -> None:
    """What is needed to start playing stands before the frames, and the same clip gives the same
    bytes.
    """
    name = encoder()
    with av.open(
        str(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as container:
        container.metadata["comment"] = comment
        stream = cast(
            av.VideoStream,
            container.add_stream(name, Fraction(fps).limit_denominator(1001), ENCODERS[name]),
        )
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = (side + side % 2 for side in example.shape[2:])
        stream.thread_count = 1  # the number of threads changes what is written
        context = stream.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        for picture in example:
            container.mux(stream.encode(_yuv(picture)))
        container.mux(stream.encode(None))


def encoder() -> str:
    """The encoder that MP4 files are written with. Raises DifftoolError where there is none."""
    for name in ENCODERS:
        try:
            return av.Codec(name, "w").name
        except UnknownCodecError:
            continue
    raise DifftoolError(
        "No MP4 can be written: the FFmpeg that PyAV uses here was built without an H.264 "
        "encoder. Ask for --format gif, or install PyAV from PyPI (pip install --force-reinstall "
        "av), which comes with one."
    )


def _yuv(picture: np.ndarray) -> av.VideoFrame:
    """uint8 ``[c, h, w]`` -> a frame of even sides in yuv420p.

    Colour has half the resolution. Its places are where players take them to be (ITU-T H.264,
    figure E-1, type 0): at every second column, and between two rows. FFmpeg's own conversion puts
    them between two columns, and reads them at the former.
    """
    _, height, width = picture.shape
    even = np.pad(picture, ((0, 0), (0, height % 2), (0, width % 2)), "edge")
    y, u, v = np.tensordot(BT709, np.broadcast_to(even, (3, *even.shape[1:])), 1)
    rows = np.pad(
        [(plane[::2] + plane[1::2]) / 2 for plane in (u, v)], ((0, 0), (0, 0), (1, 0)), "edge"
    )
    colour = (rows[..., :-1:2] + 2 * rows[..., 1::2] + rows[..., 2::2]) / 4
    codes = np.concatenate([(y + 16).ravel(), (colour + 128).ravel()]).round().astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(codes.reshape(-1, even.shape[2]), "yuv420p")
    frame.color_range, frame.colorspace = ColorRange.MPEG, Colorspace.ITU709
    return frame


# --- GIF ------------------------------------------------------------------------------------------


def _write_gif(example: np.ndarray, fps: float, path: Path, comment: str) -> None:
    """Write a GIF that repeats without end."""
    step = math.ceil(SHORTEST * fps / 100)
    first, *rest = _paletted(example[::step])
    milliseconds = [10 * delay for delay in delays(len(example), fps, step)]
    first.save(
        path,
        "GIF",
        save_all=True,
        append_images=rest,
        duration=milliseconds,
        loop=0,
        comment=comment.encode(),
    )


def delays(n: int, fps: float, step: int = 1) -> list[int]:
    """The display time of every ``step``-th of ``n`` frames in hundredths of a second: whole
    numbers with the right sum.
    """
    shown = [round(100 * k / fps) for k in (*range(0, n, step), n)]
    return [max(SHORTEST, end - start) for start, end in pairwise(shown)]


def _paletted(example: np.ndarray) -> Iterator[Image.Image]:
    """The frames with one palette for all: with one palette each, colours that do not change would
    flicker.
    """
    t, c, height, width = example.shape
    packed = np.zeros((t, height, width), np.uint32)
    for channel in example.transpose(1, 0, 2, 3):
        packed = packed << 8 | channel
    colours, places = np.unique(packed, return_inverse=True)
    if len(colours) > COLOURS:
        yield from _reduced(example)
        return
    palette = (
        (colours[:, None] >> np.array([16, 8, 0]) & 255)
        if c == 3
        else np.repeat(colours[:, None], 3, 1)
    )
    for indices in places.reshape(packed.shape).astype(np.uint8):
        image = Image.fromarray(indices)
        image.putpalette(palette.astype(np.uint8).tobytes())
        yield image


def _reduced(example: np.ndarray) -> Iterator[Image.Image]:
    """Each colour as the nearest of those that suit the clip best, if a palette cannot hold all.

    There is no dithering, because it would flicker.
    """
    pixels = example.transpose(0, 2, 3, 1).reshape(-1, 3)
    some = pixels[:: math.ceil(len(pixels) / PALETTE_FROM)]
    palette = Image.fromarray(some[None]).quantize(COLOURS, kmeans=1)
    for picture in example:
        yield to_image(picture).quantize(palette=palette, dither=Image.Dither.NONE)


WRITERS: dict[Format, Callable[[np.ndarray, float, Path, str], None]] = {
    "mp4": _write_mp4,
    "gif": _write_gif,
}
