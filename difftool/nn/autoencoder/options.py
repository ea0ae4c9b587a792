"""Options of autoencoders: the network, the bottleneck and the critic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from ...options import Options

Factor = Annotated[PositiveInt, Field(le=1_024)]


class CoderOptions(Options):
    """The encoder and the decoder."""

    channels: PositiveInt = Field(32, le=65_536, description="width of the first level")
    multipliers: tuple[Annotated[PositiveInt, Field(le=1_024)], ...] = Field(
        (1, 2, 4),
        min_length=1,
        max_length=16,
        description="width of each level, as a multiple of channels",
    )
    factors: tuple[Factor | tuple[Factor, ...], ...] = Field(
        (),
        description="factor by which each level after the first has fewer positions: one number "
        "for all axes, or a list with one for each; empty for 2 everywhere",
    )
    patch: Factor | tuple[Factor, ...] = Field(
        1,
        description="side of the patches that are one position of the first level, or a list with "
        "one side for each axis",
    )
    blocks: PositiveInt = Field(
        1, le=64, description="residual blocks per level of the encoder; the decoder has one more"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside residual blocks")
    upsampling: Literal["resize", "transposed", "shuffle"] = Field(
        "resize",
        description="how the decoder enlarges: resize repeats positions, transposed is a "
        "transposed convolution, shuffle makes each position from its own channels",
    )
    causal: bool = Field(
        False,
        description="the first axis is time, and nothing sees a later time; the first frame alone "
        "is an example too",
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
    def strides(self) -> tuple[int | tuple[int, ...], ...]:
        """The factor between each level and the next."""
        return self.factors or (2,) * (len(self.multipliers) - 1)

    def reduction(self, dimension: int) -> tuple[int, ...]:
        """How many positions of an example become one of its latents, along each axis.

        Raises ValueError where a list has another number of axes.
        """
        steps = [along_axes(each, dimension) for each in (self.patch, *self.strides)]
        return tuple(math.prod(axis) for axis in zip(*steps, strict=True))


def along_axes(factor: int | Sequence[int], dimension: int) -> tuple[int, ...]:
    """The factor of each axis. Raises ValueError where a list has another number of axes."""
    found = (factor,) * dimension if isinstance(factor, int) else tuple(factor)
    if len(found) != dimension:
        raise ValueError(
            f"The list {list(found)} has {len(found)} factors, but examples have {dimension} axes."
        )
    return found


class BottleneckOptions(CoderOptions):
    """What latents are, and how they are kept small."""

    latents: PositiveInt = Field(4, le=65_536, description="channels of the latents")
    bottleneck: Literal["plain", "kl", "vq", "fsq"] = Field(
        "kl",
        description="plain leaves latents as they are, kl makes each a narrow Gaussian, vq takes "
        "the nearest vector of a codebook, fsq rounds each channel to a few levels",
    )
    kl_weight: NonNegativeFloat = Field(
        1e-3, description="kl: weight of the divergence from unit Gaussians, in nats for a number"
    )
    free_nats: NonNegativeFloat = Field(
        0.0, description="kl: divergence of each channel that costs nothing, in nats for a number"
    )
    codes: PositiveInt = Field(1_024, ge=2, le=2**20, description="vq: vectors of the codebook")
    code_decay: float = Field(
        0.99, gt=0, lt=1, description="vq: share of the codebook's averages that a step keeps"
    )
    commitment: NonNegativeFloat = Field(
        0.25, description="vq: weight of the distance from the encoder's vectors to their codes"
    )
    restart_below: NonNegativeFloat = Field(
        0.05,
        description="vq: a code that is used less often than this share of the mean use starts "
        "again from a vector of the data; 0 never",
    )
    levels: tuple[Annotated[PositiveInt, Field(ge=2, le=256)], ...] = Field(
        (8,),
        min_length=1,
        description="fsq: levels of each channel of the latents; one number serves all",
    )

    @model_validator(mode="after")
    def _levels_for_each_channel(self) -> Self:
        if self.bottleneck == "fsq" and len(self.levels) not in (1, self.latents):
            raise ValueError(
                f"{len(self.levels)} levels do not fit {self.latents} latents. Give one number for "
                "each channel, or one for all"
            )
        return self


class CriticOptions(Options):
    """The network that tells examples from reconstructions, patch by patch."""

    critic_channels: PositiveInt = Field(
        32, le=65_536, description="width of the critic's first layer"
    )
    critic_layers: PositiveInt = Field(
        2, le=16, description="layers of the critic that halve the resolution"
    )
    critic_start: float = Field(
        0.5, ge=0, le=1, description="share of the run after which the critic takes part"
    )
