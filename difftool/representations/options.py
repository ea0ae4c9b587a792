"""Options of the core's representations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from ..options import Options


class StandardOptions(Options):
    """Data with a mean of zero and one standard deviation in each channel."""

    spread: PositiveFloat = Field(
        0.5,
        description="standard deviation of each channel in model units; the process expects 0.5",
    )
    per_channel: bool = Field(
        True, description="measure each channel by itself; false measures all channels together"
    )


class LatentOptions(Options):
    """The latents of an autoencoder."""

    model: str = Field(
        "", description="run or model file of an autoencoder; the new model holds a copy of it"
    )
    draw: bool = Field(
        False,
        description="draw latents anew at every step, where the autoencoder gives them a "
        "distribution; false takes their means",
    )
    spread: PositiveFloat = Field(
        0.5,
        description="standard deviation of each channel in model units; the process expects 0.5",
    )
    cache: bool | Literal["auto"] = Field(
        "auto",
        description="encode each example once, before training; auto does so unless examples are "
        "changed at random or differ in size",
        json_schema_extra={"metavar": "auto|true|false"},
    )
    tile: PositiveInt | Literal["auto"] = Field(
        "auto",
        description="latents along each axis that are decoded at once, which bounds the memory; "
        "the result is the same",
        json_schema_extra={"metavar": "auto|N"},
    )
