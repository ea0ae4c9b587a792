"""Settings of the built-in networks."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ..options import Options


class UNetOptions(Options):
    """The U-Net. Its defaults put the channels deep, where a parameter costs the least arithmetic."""

    renamed: ClassVar = {"octaves": "fourier_features"}

    channels: PositiveInt = Field(64, description="width of the first level")
    multipliers: tuple[PositiveInt, ...] = Field(
        (1, 2, 4), min_length=1, description="width of each level over the first's; each level has a fraction of the positions, see factors"
    )
    factors: tuple[PositiveInt, ...] = Field(
        (), description="how many times fewer positions, along every axis, each level after the first has; empty for 2 throughout"
    )
    blocks: PositiveInt = Field(2, description="residual blocks per level on the way down; one more on the way up")
    attention: NonNegativeInt = Field(
        256, description="levels of at most this many positions attend, and so does the middle; 256 is 16x16; 0 for none"
    )
    attention_from: NonNegativeInt = Field(0, description="levels of fewer positions than this do not attend")
    head_width: PositiveInt = Field(64, description="channels per attention head")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside residual blocks")
    embedding: NonNegativeInt = Field(0, description="width of the noise embedding; 0 for four times channels")
    skip_scale: PositiveFloat = Field(1.0, le=1, description="factor on the sum that ends every block; 0.7071 keeps the variance at one")
    patch: PositiveInt = Field(1, description="side of the patches that the first level sees as one position; raise it for large examples")
    fourier_features: NonNegativeInt = Field(
        0,
        description="octaves of sines and cosines of the noisy example that the network gets as further channels; with 5, flat parts of "
        "8-bit data come out exactly flat",
    )

    @model_validator(mode="after")
    def _a_factor_between_levels(self) -> Self:
        if self.factors and len(self.factors) != len(self.multipliers) - 1:
            raise ValueError(
                f"factors lie between levels: {len(self.multipliers)} multipliers need {len(self.multipliers) - 1} factors, or none "
                f"for the default; {len(self.factors)} are given"
            )
        return self

    @property
    def strides(self) -> tuple[int, ...]:
        """The factor between each level and the next."""
        return self.factors or (2,) * (len(self.multipliers) - 1)
