"""Settings of the video network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from difftool import UNetOptions


class UNet3dOptions(UNetOptions):
    """The factorised space-time U-Net: the options of the network of single frames, and those of
    its layers over time.

    Thresholds of attention count the positions of one frame. The first level needs 5 to 6 channels
    for each number of a patch: 64 for squares of two by two pixels in colour.
    """

    at_most: ClassVar = ("attention", "time_attention", "joint_attention")

    channels: PositiveInt = Field(
        64,
        le=65_536,
        description="width of the first level; 5 to 6 for each number of a patch learn well",
    )
    multipliers: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (1, 2, 4), min_length=1, max_length=16, description="width of each level over the first's"
    )
    blocks: PositiveInt = Field(
        1, le=64, description="residual blocks per level on the way down; one more on the way up"
    )
    attention: NonNegativeInt = Field(
        64,
        description="levels of at most this many positions attend, within a frame, and so does "
        "the middle; 64 is 8x8; 0 for none",
    )
    patch: PositiveInt = Field(
        2,
        le=4_096,
        description="side of the square of pixels that the first level sees as one position",
    )
    time_kernel: PositiveInt = Field(
        7,
        le=1_001,
        description="frames that a convolution over time sees, the middle one its own; odd; what "
        "moves far between frames needs many",
    )
    time_attention: NonNegativeInt = Field(
        64,
        description="levels of at most this many positions attend over time, each position along "
        "its own frames; 0 for none",
    )
    joint_attention: NonNegativeInt = Field(
        0,
        description="levels of at most this many positions attend over space and time together "
        "instead, every position to those of all frames: dearer, and finds again what moved; 0 "
        "for none",
    )
    freeze_spatial: bool = Field(
        False,
        description="the network of single frames stays as it is, as an image run made it "
        "(--init), and only what is new learns",
    )

    @field_validator("time_kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(
                f"a convolution over time sees as many frames before as after, and {kernel} is "
                f"even: use {kernel + 1}"
            )
        return kernel

    def positions(self, sizes: Sequence[int | None]) -> list[float]:
        """Those of one frame, also where ``sizes`` names the frames before its height and width."""
        return super().positions(sizes[-2:])
