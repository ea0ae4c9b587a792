"""Settings of the networks for sound."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from difftool import Options, UNetOptions

FACTOR = 4
"""Between levels of the U-Net, unless said otherwise."""


class UNet1dOptions(UNetOptions):
    """The U-Net for long signals: patches first and steep steps between levels, so that no block
    works at full rate.

    The first level needs 6 to 8 channels for each sample of a patch: narrower, it cannot carry the
    noise that it has to tell apart.
    """

    channels: PositiveInt = Field(
        32,
        le=65_536,
        description="width of the first level; at least 6 for each sample of a patch learn well",
    )
    multipliers: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (1, 2, 4, 8, 8),
        min_length=1,
        max_length=16,
        description="width of each level over the first's",
    )
    factors: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (),
        description="how many times fewer positions each level after the first has; empty for "
        f"{FACTOR} throughout",
    )
    blocks: PositiveInt = Field(
        1, le=64, description="residual blocks per level on the way down; one more on the way up"
    )
    attention: NonNegativeInt = Field(
        128,
        description="levels of at most this many positions attend, and so does the middle; 0 for "
        "none",
    )
    embedding: NonNegativeInt = Field(
        512, le=65_536, description="width of the noise embedding; 0 for four times channels"
    )
    patch: PositiveInt = Field(
        4, le=65_536, description="samples that the first level sees as one position"
    )

    @property
    def strides(self) -> tuple[int, ...]:
        return self.factors or (FACTOR,) * (len(self.multipliers) - 1)


class DiffWaveOptions(Options):
    """DiffWave.

    Its defaults are the paper's small network; that for spoken digits is 256, 36 and 12.
    """

    channels: PositiveInt = Field(64, le=65_536, description="width of every layer")
    layers: PositiveInt = Field(30, le=256, description="residual layers")
    cycle: PositiveInt = Field(
        10,
        le=16,
        description="layers until the dilation, which doubles from one to the next, starts at 1 "
        "again",
    )
