"""Settings of the video modality.

Sizes are written height first, ``48x64``, as in a tensor's shape; rates are in frames per second.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from difftool import Options
from difftool_image.options import AREA_SIDE, REDUCE, AreaSide, Reduce, RequestedSize, Size

FRAMES_AUTO = 16
"""Frames that ``frames = "auto"`` takes at most."""

MOST_FRAMES = 4096
"""Frames that can be trained on at a time."""

Auto = Literal["auto"]


def _auto(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Frames = Annotated[Auto | Annotated[int, Field(ge=2, le=MOST_FRAMES)], BeforeValidator(_auto)]
Rate = Annotated[Auto | Annotated[float, Field(ge=0.1, le=1000)], BeforeValidator(_auto)]


class VideoOptions(Options):
    """How videos are read, cut and varied."""

    size: Size = Field(
        "auto",
        description="side of a square, or HEIGHTxWIDTH; auto keeps the videos' own size when all "
        "share one of at most 64, else takes a square of at most 64; native keeps the aspect ratio "
        "of each video, by sizes of one area",
        json_schema_extra={"metavar": "auto|N|HxW|native"},
    )
    side: AreaSide = AREA_SIDE
    channels: Literal["auto", "grey", "rgb"] = Field(
        "auto", description="grey or rgb; auto is grey where no video shows a colour"
    )
    frames: Frames = Field(
        "auto",
        description="frames trained on at a time: longer videos give a random clip each time, "
        "shorter ones are padded and the padding is not learnt; auto is the longest video's, at "
        f"most {FRAMES_AUTO}",
        json_schema_extra={"metavar": "auto|N"},
    )
    fps: Rate = Field(
        "auto",
        description="frames per second that everything is brought to; auto takes the rate of most "
        "videos, divided by a whole number so that it is at most 15",
        json_schema_extra={"metavar": "auto|X"},
    )
    resize: Literal["crop", "pad", "stretch"] = Field(
        "crop",
        description="crop: fill the size and cut off both ends equally; pad: fit inside, "
        "background around; stretch: distort",
    )
    reduce: Reduce = REDUCE
    background: Literal["black", "white"] = Field(
        "black", description="what shows through transparency, and around padding"
    )
    shortest: PositiveInt = Field(2, description="videos of fewer frames are left out")
    flip: bool = Field(
        False,
        description="mirror half of the training clips; the model will make mirrored clips too",
    )
    stills: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of training steps on single frames, which cost a fraction and teach "
        "what things look like",
    )
    pictures: bool = Field(
        False, description="train on pictures among the videos as well, as videos of one frame"
    )
    given: Literal["none", "first", "ends"] = Field(
        "none",
        description="frames that half of the training clips show to the model, so that it can "
        "continue them: first: some at the beginning; ends: those, or some at the beginning and "
        "at the end, to be filled in between",
    )


class VideoFacts(Options):
    """What a model file says about its videos."""

    fps: float = Field(ge=0.1, le=1000, description="frames per second")
    lengths: tuple[PositiveInt, ...] = Field(
        min_length=1, description="lengths in frames, each of an equal share of the videos"
    )


class VideoRequest(Options):
    """The video modality's own flags of ``difftool sample``."""

    frames: NonNegativeInt = Field(
        0,
        le=MOST_FRAMES,
        description="length of each sample, whatever was trained on; 0 for lengths like the data's",
    )
    size: RequestedSize = Field(
        "",
        description="side of a square, or HEIGHTxWIDTH, in place of the size trained on",
        json_schema_extra={"metavar": "N|HxW"},
    )
    format: Literal["mp4", "gif"] = Field(
        "mp4", description="kind of file: H.264, or a GIF that loops"
    )
    first_frames: str = Field(
        "",
        description="a video whose first frames the samples begin with, or a folder of videos, "
        "which the samples begin with in turn",
        json_schema_extra={"metavar": "FILE|DIR"},
    )
    last_frames: str = Field(
        "",
        description="the same for the end of the samples; what is between is filled in",
        json_schema_extra={"metavar": "FILE|DIR"},
    )
    given: NonNegativeInt = Field(
        0,
        description="frames taken of each of these; 0 for as many as there are, and as training "
        "showed",
    )


class VideoSelection(Options):
    """The video modality's own flags of ``difftool edit``: what part of a clip is meant."""

    frames: str = Field(
        "",
        description="first frame and the one after the last, such as 4:12 or 0:2,8:12; both may be "
        "left out",
        json_schema_extra={"metavar": "N:N,…"},
    )
    region: str = Field(
        "",
        description="rows and columns of every frame that is meant, such as 10:40,5:60",
        json_schema_extra={"metavar": "Y:Y,X:X"},
    )
    mask: str = Field(
        "",
        description="a picture of the size of the frames whose white, or opaque, pixels are meant",
        json_schema_extra={"metavar": "FILE"},
    )
    soft: NonNegativeInt = Field(
        0, description="pixels around the region that change less and less; 0 for a hard edge"
    )
    before: NonNegativeInt = Field(0, description="frames to add before it")
    after: NonNegativeInt = Field(0, description="frames to add after it")
