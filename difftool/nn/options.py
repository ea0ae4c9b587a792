"""Settings of the built-in networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from ..options import Options


class UNetOptions(Options):
    """The U-Net.

    By default most channels are at the coarse levels, where a parameter costs the least.
    """

    renamed: ClassVar = {"octaves": "fourier_features"}
    at_most: ClassVar[tuple[str, ...]] = ("attention",)
    """Thresholds that select the levels with at most so many positions."""

    at_least: ClassVar[tuple[str, ...]] = ("attention_from",)
    """Thresholds that select the levels with at least so many positions."""

    channels: PositiveInt = Field(64, le=65_536, description="width of the first level")
    multipliers: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (1, 2, 4),
        min_length=1,
        max_length=16,
        description="width of each level, as a multiple of channels; each level has fewer "
        "positions, see factors",
    )
    factors: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (),
        description="factor by which each level after the first has fewer positions along every "
        "axis; empty for 2 everywhere",
    )
    blocks: PositiveInt = Field(
        2,
        le=64,
        description="residual blocks per level of the encoder; the decoder has one more",
    )
    attention: NonNegativeInt = Field(
        256,
        description="levels with at most this many positions have attention, and so has the "
        "middle; 256 is 16x16; 0 for none",
    )
    attention_from: NonNegativeInt = Field(
        0, description="levels with fewer positions than this have no attention"
    )
    head_width: PositiveInt = Field(64, le=65_536, description="channels per attention head")
    transformer: NonNegativeInt = Field(
        0,
        le=1_024,
        description="transformer blocks in the middle, at the level with the fewest positions; for "
        "large examples many of them cost little",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside residual blocks")
    embedding: NonNegativeInt = Field(
        0, le=65_536, description="width of the noise embedding; 0 is four times channels"
    )
    skip_scale: PositiveFloat = Field(
        1.0,
        le=1,
        description="factor on the sum at the end of every block; 0.7071 keeps the variance at one",
    )
    patch: PositiveInt = Field(
        1,
        le=4_096,
        description="side of the patches that are one position of the first level; raise it for "
        "large examples",
    )
    fourier_features: NonNegativeInt = Field(
        0,
        le=16,
        description="octaves of sines and cosines of the noisy example that are added as input "
        "channels; 5 keeps flat parts of 8-bit data exactly flat",
    )

    @model_validator(mode="after")
    def _a_factor_between_levels(self) -> Self:
        if self.factors and len(self.factors) != len(self.multipliers) - 1:
            raise ValueError(
                f"{len(self.factors)} factors do not fit {len(self.multipliers)} multipliers. Give "
                "one factor between each level and the next, or none for the default"
            )
        return self

    @property
    def strides(self) -> tuple[int, ...]:
        """The factor between each level and the next."""
        return self.factors or (2,) * (len(self.multipliers) - 1)

    def positions(self, sizes: Sequence[int | None]) -> list[float]:
        """The number of positions of each level, for an example of these sizes without its
        channels.

        It is infinite where an axis varies.
        """
        strides = [self.patch * math.prod(self.strides[:i]) for i in range(len(self.multipliers))]
        return [
            math.prod(math.inf if size is None else -(-size // stride) for size in sizes)
            for stride in strides
        ]

    def at_levels_of(
        self,
        other: UNetOptions,
        sizes_there: Sequence[int | None],
        sizes: Sequence[int | None],
    ) -> Self:
        """The same options, with attention at the levels where another network has it.

        Only thresholds with the value of the other network are changed; all others were chosen.

        Args:
            other, sizes_there: the options of the other network, and the sizes of its examples.
            sizes: those of this network's examples.
        """
        there, here = other.positions(sizes_there), self.positions(sizes)
        if len(there) != len(here) or math.inf in (*there, *here):
            return self
        equal = {
            name: getattr(other, name)
            for name in (*self.at_most, *self.at_least)
            if getattr(other, name, None) == getattr(self, name)
        }
        return self.model_copy(
            update={
                name: (_at_most if name in self.at_most else _at_least)(value, there, here)
                for name, value in equal.items()
            }
        )


def _at_most(limit: int, there: Sequence[float], here: Sequence[float]) -> int:
    """The threshold that selects the levels that ``limit`` selects there, which have so few
    positions.
    """
    found = [new for old, new in zip(there, here, strict=True) if old <= limit]
    return int(max(found, default=0))


def _at_least(limit: int, there: Sequence[float], here: Sequence[float]) -> int:
    """The same of levels that have so many positions."""
    found = [new for old, new in zip(there, here, strict=True) if old >= limit]
    return 0 if len(found) == len(here) else int(min(found, default=max(here) + 1))


class ResidualUNetOptions(Options):
    """The U-Net DDPM++. Its defaults are those of EDM on CIFAR-10 (Karras et al. 2022, Table 7)."""

    channels: PositiveInt = Field(128, le=65_536, description="width that the multipliers refer to")
    multipliers: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (2, 2, 2),
        min_length=1,
        max_length=16,
        description="width of each level, as a multiple of channels",
    )
    blocks: PositiveInt = Field(
        4,
        le=64,
        description="residual blocks per level of the encoder; the decoder has one more",
    )
    attention: NonNegativeInt = Field(
        256, description="levels with at most this many positions have attention; 256 is 16x16"
    )
    attention_from: NonNegativeInt = Field(
        256,
        description="levels with fewer positions than this have no attention; the middle always "
        "has",
    )
    head_width: NonNegativeInt = Field(
        0, le=65_536, description="channels per attention head; 0 for a single head"
    )
    dropout: float = Field(0.13, ge=0, lt=1, description="dropout inside residual blocks")
    embedding: NonNegativeInt = Field(
        0, le=65_536, description="width of the noise embedding; 0 is four times channels"
    )
    skip_scale: PositiveFloat = Field(
        0.7071067811865476, le=1, description="factor on the sum at the end of every block"
    )
    film: Literal["shift", "scale-shift"] = Field(
        "shift", description="how the noise embedding modulates a block"
    )
    decoder_attention: Literal["all", "last"] = Field(
        "last", description="which blocks of a level of the decoder have attention"
    )
    project_resampled: bool = Field(
        True, description="a 1x1 convolution in the skip of blocks that change the resolution"
    )


class AdmOptions(ResidualUNetOptions):
    """The U-Net ADM. Its defaults are those of EDM on ImageNet-64 (Karras et al. 2022, Table 7)."""

    channels: PositiveInt = Field(192, le=65_536, description="width that the multipliers refer to")
    multipliers: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (1, 2, 3, 4),
        min_length=1,
        max_length=16,
        description="width of each level, as a multiple of channels",
    )
    blocks: PositiveInt = Field(
        3,
        le=64,
        description="residual blocks per level of the encoder; the decoder has one more",
    )
    attention: NonNegativeInt = Field(
        1024, description="levels with at most this many positions have attention; 1024 is 32x32"
    )
    attention_from: NonNegativeInt = Field(
        0, description="levels with fewer positions than this have no attention"
    )
    head_width: NonNegativeInt = Field(
        64, le=65_536, description="channels per attention head; 0 for a single head"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout inside residual blocks")
    skip_scale: PositiveFloat = Field(
        1.0, le=1, description="factor on the sum at the end of every block"
    )
    film: Literal["shift", "scale-shift"] = Field(
        "scale-shift", description="how the noise embedding modulates a block"
    )
    decoder_attention: Literal["all", "last"] = Field(
        "all", description="which blocks of a level of the decoder have attention"
    )
    project_resampled: bool = Field(
        False, description="a 1x1 convolution in the skip of blocks that change the resolution"
    )


class Edm2Options(Options):
    """The magnitude-preserving U-Net. Its defaults are those of EDM2-S (Karras et al. 2024)."""

    channels: PositiveInt = Field(192, le=65_536, description="width that the multipliers refer to")
    multipliers: tuple[PositiveInt, ...] = Field(
        (1, 2, 3, 4), min_length=1, description="width of each level, as a multiple of channels"
    )
    blocks: PositiveInt = Field(
        3, le=64, description="residual blocks per level of the encoder; the decoder has one more"
    )
    attention: NonNegativeInt = Field(
        256, description="levels with at most this many positions have attention; 256 is 16x16"
    )
    head_width: PositiveInt = Field(64, le=65_536, description="channels per attention head")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside residual blocks")
    embedding: NonNegativeInt = Field(
        0,
        description="width of the noise embedding; 0 is the width of the last level",
    )
    balance: float = Field(
        0.3, gt=0, lt=1, description="share of the new branch in every residual sum"
    )

    @property
    def width(self) -> int:
        """The width of the noise embedding."""
        return self.embedding or self.channels * self.multipliers[-1]
