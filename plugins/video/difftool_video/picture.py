"""A decoded video frame -> a picture: upright, with square pixels and the intended colours."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image

if TYPE_CHECKING:
    from av import VideoFrame

FINE = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
UNSAID = 2  # of a colour space, ITU-T H.273 table 4
GREY = ("gray", "ya")
FULL = (
    "yuvj",
    "gray",
    "ya",
    "rgb",
    "bgr",
    "gbr",
    "argb",
    "abgr",
    "pal8",
    "mono",
)  # formats whose range is full where nothing is said
NEAR = (
    2  # times the requested size: what a larger frame is reduced to while its colours are converted
)

# The four numbers of a display matrix (a, b, c, d) in signs -> what makes the picture upright.
UPRIGHT = {
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
}
SIDEWAYS = tuple(turned for (a, *_), turned in UPRIGHT.items() if a == 0)


def picture(frame: VideoFrame, aspect: Fraction, near: int = 0) -> Image.Image:
    """The frame in mode L, RGB or RGBA.

    Args:
        aspect: width by height of its pixels.
        near: the side it will be reduced to, if it is larger: the frame is then brought near to
            that by what converts it.
    """
    width, height = square(frame.width, frame.height, aspect)
    if near and (less := min(width, height) // (NEAR * near)) > 1:
        width, height = round(width / less), round(height / less)
    mode = _mode(frame)
    plain = frame.reformat(
        width=width,
        height=height,
        format={"L": "gray", "RGB": "rgb24", "RGBA": "rgba"}[mode],
        src_colorspace=_matrix(frame),
        src_color_range=_range(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=FINE,
        threads=1,
    )
    turned = upright(frame)
    image = _image(plain, mode)
    return image.transpose(turned) if turned is not None else image


def square(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """The width and height of the frame in square pixels: its shorter side is lengthened."""
    return (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))


def upright(frame: VideoFrame) -> Image.Transpose | None:
    """The rotation of the frame for display; None if it is upright, or if the angle is not right."""
    sides: Any = frame.side_data
    if "DISPLAYMATRIX" not in sides:
        return None
    a, b, _, c, d = struct.unpack("=5i", bytes(sides["DISPLAYMATRIX"])[:20])
    return UPRIGHT.get(tuple((n > 1 << 15) - (n < -(1 << 15)) for n in (a, b, c, d)))


def sideways(frame: VideoFrame) -> bool:
    """Whether the rotation exchanges height and width."""
    return upright(frame) in SIDEWAYS


def is_grey(frame: VideoFrame) -> bool:
    return frame.format.name.startswith(GREY)


def _mode(frame: VideoFrame) -> str:
    if (
        any(component.is_alpha for component in frame.format.components)
        or frame.format.name == "pal8"
    ):
        return "RGBA"
    return "L" if is_grey(frame) else "RGB"


def _matrix(frame: VideoFrame) -> int:
    """The colour matrix of the file.

    Without one, the default of players: BT.709 for high definition, BT.601 below.
    """
    if frame.colorspace in (UNSAID, 3):
        return Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    return frame.colorspace


def _range(frame: VideoFrame) -> int:
    if frame.color_range == ColorRange.UNSPECIFIED:
        return ColorRange.JPEG if frame.format.name.startswith(FULL) else ColorRange.MPEG
    return frame.color_range


def _image(frame: VideoFrame, mode: str) -> Image.Image:
    plane = frame.planes[0]
    return Image.frombuffer(
        mode, (frame.width, frame.height), bytes(plane), "raw", mode, plane.line_size, 1
    )
