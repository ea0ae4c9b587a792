"""Options of the core's representations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

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


class EmbeddingOptions(Options):
    """Embeddings of examples by a pretrained network, for a prior."""

    path: str = Field(
        "",
        description="folder of the network, as the library transformers saves it, such as CLIP or "
        "CLAP; or what evaluate --features takes",
    )
    spread: PositiveFloat = Field(
        0.5,
        description="standard deviation of each entry in model units; the process expects 0.5",
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
    cached_as: Literal["half", "uint8"] = Field(
        "half",
        description="numbers of cached latents: half precision, or bytes over the range of each "
        "channel, which take half the room; means of latents only",
    )
    variants: PositiveInt = Field(
        1,
        le=1_024,
        description="how often each example is encoded for the cache: with more than one, each time "
        "mirrored, augmented and cut at random, and training draws one of them",
    )
    tile: PositiveInt | Literal["auto"] = Field(
        "auto",
        description="latents along each axis that are decoded at once, which bounds the memory; "
        "the result is the same",
        json_schema_extra={"metavar": "auto|N"},
    )

    @model_validator(mode="after")
    def _bytes_hold_means(self) -> LatentOptions:
        if self.draw and self.cached_as == "uint8":
            raise ValueError(
                "cached_as = uint8 holds means of latents, and draw = true needs their standard "
                "deviations too: use half"
            )
        return self
