"""A picture file of any format -> uint8 ``[c, h, w]``.

Of an animation, the first frame. Pictures are upright by their EXIF orientation, colours are
converted from the file's profile to sRGB, 16 bits are scaled to 8, and fully transparent pixels
lose their colour.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageFile, PngImagePlugin, UnidentifiedImageError

from difftool import DataError, remark

BY_EXTRA = {
    ".heic": ("pillow_heif", "heif"),
    ".heif": ("pillow_heif", "heif"),
    ".jxl": ("pillow_jxl", "jxl"),
}
"""Suffix -> the package that teaches Pillow the format, and the extra that installs it."""

INSTALLABLE = {
    suffix: f"pip install difftool-image[{extra}]"
    for suffix, (package, extra) in BY_EXTRA.items()
    if find_spec(package) is None
}

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jfif",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pbm",
    ".pnm",
    ".avif",
    *(suffix for suffix in BY_EXTRA if suffix not in INSTALLABLE),
)
FORMATS = (
    "PNG",
    "JPEG",
    "MPO",
    "WEBP",
    "BMP",
    "DIB",
    "GIF",
    "TIFF",
    "PPM",
    "AVIF",
    "HEIF",
    "JXL",
)  # by content; none that runs a program, as EPS does

MODES = {"grey": "L", "grey+alpha": "LA", "rgb": "RGB", "rgba": "RGBA"}
CHANNELS = {mode: name for name, mode in MODES.items()}
WIDE = ("I", "I;16", "I;16L", "I;16B", "I;16N")

# EXIF orientation -> what makes the picture upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112

MOST_TEXT = 1 << 26
"""Bytes of one text in a PNG file, unpacked; Pillow takes a megabyte."""

MOST_PIXELS = 1 << 28
"""Of a picture that is decoded, which takes about a gigabyte."""

DARK = 1 / 8
"""Share of the range below which a picture of 16 bits probably holds 12 or fewer."""


class Header(NamedTuple):
    """The size and channels of a picture, upright, read without decoding it."""

    height: int
    width: int
    channels: str


def header(path: Path, data: bytes | None = None) -> Header:
    """Size and channels of a picture. Raises DataError when it cannot be read."""
    with opened(path, data) as image:
        width, height = _stored_size(image)
        if _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, channels_of(image))


def decode(path: Path, data: bytes | None = None, near: int = 0) -> Image.Image:
    """The whole picture, upright, in the one of the modes L, LA, RGB and RGBA that loses nothing.

    Args:
        data: the file's bytes, where they are in memory already.
        near: the side it will be reduced to, if it is larger: a JPEG is then decoded at no more
            than it takes.

    Raises:
        DataError: the file is damaged, or is not a picture.
    """
    with opened(path, data) as image:
        mode = MODES[channels_of(image)]
        if near:
            image.draft(None, (2 * near, 2 * near))
        _refuse_large(image, path)
        image.load()
        turned = UPRIGHT.get(_orientation(image))
        plain = _eight_bits(image, path) if image.mode in (*WIDE, "F") else _srgb(image, mode)
        return plain.transpose(turned) if turned is not None else plain


@contextmanager
def opened(path: Path, data: bytes | None = None) -> Iterator[Image.Image]:
    """The file, opened by Pillow. Any error inside is raised as a DataError that names the file."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # half a picture is not an example, whoever set this
    try:
        if data == b"" or (data is None and os.path.getsize(path) == 0):
            raise DataError(f"{path} is empty (0 bytes). Remove it or copy it again.")
        with Image.open(path if data is None else BytesIO(data), formats=_formats()) as image:
            yield image
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist any more. Was it moved while it was being read?"
        ) from None
    except PermissionError:
        raise DataError(
            f"{path} cannot be read: permission denied. Check its permissions."
        ) from None
    except UnidentifiedImageError:
        raise DataError(
            f"{path} is not a picture, or not of a kind that Pillow reads. Remove or convert it."
        ) from None
    except (
        Exception
    ) as error:  # Pillow's decoders raise a dozen kinds of exception on damaged files
        raise DataError(
            f"{path} is damaged. Remove it or copy it again. ({str(error) or type(error).__name__})"
        ) from error


def channels_of(image: Image.Image) -> str:
    """The fewest channels that keep everything that the picture's header announces."""
    grey = image.mode in ("1", "L", "LA", "La", "F", *WIDE) or (
        image.mode == "P" and _grey_palette(image)
    )
    alpha = image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or (
        image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info
    )
    return ("grey" if grey else "rgb") if not alpha else ("grey+alpha" if grey else "rgba")


def to_array(image: Image.Image, channels: str, background: str) -> np.ndarray:
    """A decoded picture as uint8 ``[c, h, w]`` with these channels."""
    mode = MODES[channels]
    if "A" in image.mode and "A" not in mode:
        below = Image.new("RGBA", image.size, background)
        image = Image.alpha_composite(below, image.convert("RGBA"))
    array = np.array(image.convert(mode))
    array = array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
    if "A" in mode:
        array[:-1] *= (
            array[-1:] > 0
        )  # editors leave anything where nothing is seen, and a model would learn it
    return array


def to_image(array: np.ndarray) -> Image.Image:
    """uint8 ``[c, h, w]`` -> a picture of its channels."""
    return Image.fromarray(
        array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0))
    )


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    for package in {package for package, _ in BY_EXTRA.values()}:
        with suppress(ImportError):
            module = import_module(package)  # pillow_jxl registers itself
            if register := getattr(module, "register_heif_opener", None):
                register()
    Image.MAX_IMAGE_PIXELS = (
        None  # _refuse_large looks at what is decoded, which for a large JPEG is a fraction of it
    )
    # Programs store whole workflows in a picture's text, of which nothing is used here.
    PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = MOST_TEXT, 4 * MOST_TEXT
    warnings.filterwarnings(
        "ignore", module=r"PIL\."
    )  # of damaged EXIF, of large pictures: nothing that a person can act on
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _refuse_large(image: Image.Image, path: Path) -> None:
    """Raise DataError for a picture that needs more memory than there is: small files can be huge."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{path} has {width:,} x {height:,} pixels, and at most {MOST_PIXELS:,} are decoded. "
            "Reduce it, or save it as JPEG, which is decoded at a fraction of its size."
        )


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as they are stored.

    Pillow swaps the size of a TIFF by its orientation before it rotates the picture.
    """
    tags = getattr(image, "tag_v2", None)
    return (int(tags[256]), int(tags[257])) if image.format == "TIFF" and tags else image.size


def _srgb(image: Image.Image, mode: str) -> Image.Image:
    """The picture in this mode, with its colours converted from the file's profile to sRGB."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L", "LA"):
        return image.convert(mode)
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "srgb" in (ImageCms.getProfileDescription(source) or "").lower():
            return image.convert(mode)
        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
        opaque = image.convert(image.mode.removesuffix("A")) if alpha else image
        shown = ImageCms.profileToProfile(
            opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        remark(f"its colour profile cannot be used, and its colours are taken for sRGB ({error})")
        return image.convert(mode)
    assert shown is not None
    if alpha:
        shown.putalpha(alpha)
    return shown.convert(mode)


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # getexif() would decode the whole picture to look for it
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    # EXIF data is often damaged by editors while the picture is sound; then nothing is known of its
    # orientation
    except Exception:
        return 1


def _grey_palette(image: Image.Image) -> bool:
    if image.palette is None:
        return False
    mode, data = image.palette.getdata()
    if mode not in ("RGB", "BGR", "RGBX", "BGRX"):
        return False
    entries = np.frombuffer(data, np.uint8)
    entries = entries[: len(entries) // len(mode) * len(mode)].reshape(-1, len(mode))[:, :3]
    return bool((entries == entries[:, :1]).all())


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Grey values of 16 or 32 bits, or of floating point from 0 to 1, scaled to 8 bits."""
    values = np.asarray(image)
    top = 1 if image.mode == "F" else 65535
    if not (values.min() >= 0 and values.max() <= top):
        raise DataError(
            f"{path} holds values from {values.min():g} to {values.max():g}. Convert it to 8 or "
            f"16 bits: its range should be 0 to {top}, and what is black and what is white is not "
            "evident."
        )
    if 0 < values.max() < DARK * top:
        remark(
            f"its largest value is {values.max():g} of {top}, so that it is nearly black: does it "
            "hold fewer bits than its 16? Scale its range before you train on it"
        )
    return Image.fromarray(np.rint(values * (255.0 / top)).astype(np.uint8))
