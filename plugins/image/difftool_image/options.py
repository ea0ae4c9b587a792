"""Settings of the image modality.

Sizes are written height first, ``48x64``, as in a tensor's shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt

from difftool import Options

LARGEST = 8192

Reduce = Literal["lanczos", "area"]
REDUCE: Any = Field(
    "lanczos",
    description="how larger pictures are made smaller: lanczos keeps edges sharp; area takes "
    "means, which is what a later stage of a cascade shows itself in training",
)
Channels = Literal["auto", "grey", "grey+alpha", "rgb", "rgba"]
Side = Annotated[int, Field(ge=4, le=LARGEST)]


def _size(value: Any) -> Any:
    """``64`` or ``"64"`` -> 64 (a square); ``"48x64"`` or ``[48, 64]`` -> (48, 64)."""
    if isinstance(value, str) and value.strip().lower() in ("auto", "native", ""):
        return value.strip().lower()
    sides = _sides(value)
    if len(sides) not in (1, 2) or not all(
        isinstance(side, int) and 4 <= side <= LARGEST for side in sides
    ):
        raise ValueError(
            "a size is one number for a square or HEIGHTxWIDTH, such as 64 or 48x64, from 4 to "
            f"{LARGEST}"
        )
    return sides[0] if len(sides) == 1 else tuple(sides)


def _sides(value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        return (
            [int(side) for side in re.split("[x×,]", value.lower())]
            if re.fullmatch(r"\s*\d+\s*([x×,]\s*\d+\s*)?", value, re.I)
            else ()
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return value if isinstance(value, (list, tuple)) else ()


Size = Annotated[Literal["auto", "native"] | Side | tuple[Side, Side], BeforeValidator(_size)]
RequestedSize = Annotated[
    Literal[""] | Side | tuple[Side, Side],
    BeforeValidator(lambda value: _size(value) if value not in ("auto", "native") else ""),
]


AreaSide = Literal[0] | Side
AREA_SIDE: Any = Field(
    0,
    description="with size = native: side of a square of the area that all of them have; 0 takes "
    "the median area, rounded down to a multiple of 8, at most 64",
    json_schema_extra={"metavar": "N"},
)


class ImageOptions(Options):
    """How pictures are read and varied."""

    size: Size = Field(
        "auto",
        description="side of a square, or HEIGHTxWIDTH; auto keeps the pictures' own size when "
        "all share one of at most 64, else takes a square of at most 64; native keeps the aspect "
        "ratio of each picture, by sizes of one area",
        json_schema_extra={"metavar": "auto|N|HxW|native"},
    )
    side: AreaSide = AREA_SIDE
    channels: Channels = Field(
        "auto",
        description="grey, grey+alpha, rgb or rgba; auto takes the fewest that lose nothing of "
        "any picture",
    )
    resize: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="crop: fill the size and cut off both ends equally; pad: fit inside, "
        "background around; stretch: distort",
    )
    reduce: Reduce = REDUCE
    small: Literal["enlarge", "skip"] = Field(
        "enlarge",
        description="pictures smaller than the size: enlarge them, or skip them as if they could "
        "not be read",
    )
    background: Literal["white", "black"] = Field(
        "white", description="what shows through transparency that is not kept, and around padding"
    )
    flip: bool = Field(
        False,
        description="mirror half of the training pictures; the model will make mirrored pictures "
        "too",
    )
    augment: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability of each random change (turn, scale, stretch, shift) in training; "
        "the model is given them as a condition, so that its own pictures show none; 0 for none, "
        "0.12 for small data sets",
    )


class ImageRequest(Options):
    """The image modality's own flags of ``difftool sample``."""

    size: RequestedSize = Field(
        "",
        description="side of a square, or HEIGHTxWIDTH, in place of the size trained on",
        json_schema_extra={"metavar": "N|HxW"},
    )


class ImageSelection(Options):
    """The image modality's own flags of ``difftool edit``: what part of a picture is meant."""

    region: str = Field(
        "",
        description="rows and columns, such as 10:40,5:60; both ends may be left out",
        json_schema_extra={"metavar": "Y:Y,X:X"},
    )
    mask: str = Field(
        "",
        description="a picture of the same size whose white, or opaque, pixels are meant",
        json_schema_extra={"metavar": "FILE"},
    )
    soft: NonNegativeInt = Field(
        0, description="pixels around what is meant that change less and less; 0 for a hard edge"
    )
    left: NonNegativeInt = Field(0, description="pixels to add on the left")
    right: NonNegativeInt = Field(0, description="pixels to add on the right")
    top: NonNegativeInt = Field(0, description="pixels to add above")
    bottom: NonNegativeInt = Field(0, description="pixels to add below")
