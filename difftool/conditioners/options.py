"""Settings of the built-in conditioners."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from ..options import Options


class GivenOptions(Options):
    """Settings of a condition that a user may leave open."""

    width: PositiveInt = Field(
        256,
        le=65_536,
        description="width of the vector for the network; it must be the same for all conditions "
        "of a model",
    )
    dropout: float = Field(
        0.1,
        ge=0,
        le=1,
        description="probability that training leaves this condition open; guidance and sampling "
        "without it need more than 0",
    )


class LabelOptions(GivenOptions):
    """One vector per label."""


class LabelsOptions(GivenOptions):
    """Any number of labels at once."""


class NumberOptions(GivenOptions):
    """A smooth function of a number."""


class VectorOptions(GivenOptions):
    """A linear function of a vector; zero for the zero vector."""

    dropout: float = Field(
        0.0, ge=0, le=1, description="probability that training sets the vector to zero"
    )


class ChannelsOptions(Options):
    """Further input channels at the positions of the noisy example."""

    dropout: float = Field(
        0.0, ge=0, le=1, description="probability that training sets the channels to zero"
    )
