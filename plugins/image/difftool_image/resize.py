"""A picture of any size -> the training size, antialiased."""

from __future__ import annotations

from PIL import Image

FILTERS = {"lanczos": Image.Resampling.LANCZOS, "area": Image.Resampling.BOX}
"""What makes pictures smaller, by the name of the setting ``reduce``."""


def resize(
    image: Image.Image,
    height: int,
    width: int,
    how: str,
    background: str = "white",
    reduce: str = "lanczos",
) -> Image.Image:
    """``crop``: fill the frame, cutting equally off both sides; ``pad``: fit inside it;
    ``stretch``: distort to it.

    Args:
        reduce: a key of ``FILTERS``.
    """
    if image.size == (width, height):
        return image
    if how == "pad":
        return _pad(image, height, width, background, reduce)
    return _sample(
        image, height, width, reduce, _centre(image, height, width) if how == "crop" else None
    )


def smaller(size: tuple[int, int], height: int, width: int, how: str) -> bool:
    """Whether this enlarges a picture of ``size`` (height, width)."""
    ratios = (size[0] / height, size[1] / width)
    return (max(ratios) if how == "pad" else min(ratios)) < 1


def _centre(image: Image.Image, height: int, width: int) -> tuple[float, float, float, float]:
    """The largest box in the middle of the picture with the proportions of the frame."""
    scale = min(image.width / width, image.height / height)
    # rounding may take it below 0 by a hair, which Pillow refuses
    left = max(0.0, (image.width - scale * width) / 2)
    top = max(0.0, (image.height - scale * height) / 2)
    return left, top, image.width - left, image.height - top


def _sample(
    image: Image.Image,
    height: int,
    width: int,
    reduce: str,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    source = box or (0, 0, image.width, image.height)
    enlarge = source[2] - source[0] < width and source[3] - source[1] < height
    return image.resize(
        (width, height), Image.Resampling.BICUBIC if enlarge else FILTERS[reduce], box=source
    )


def _pad(image: Image.Image, height: int, width: int, background: str, reduce: str) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    inner = _sample(
        image, max(1, round(image.height * scale)), max(1, round(image.width * scale)), reduce
    )
    colour = (
        (0,) * len(image.getbands()) if "A" in image.mode else background
    )  # beside transparency lies more of it
    frame = Image.new(image.mode, (width, height), colour)
    frame.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return frame
