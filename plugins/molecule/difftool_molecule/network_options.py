"""Settings of the networks for point clouds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from difftool import Options, TransformerOptions


class EgnnOptions(Options):
    """The equivariant network. Its defaults are those that the paper trained on QM9.

    Hoogeboom et al. 2022, arXiv:2203.17003.
    """

    layers: PositiveInt = Field(9, le=128, description="blocks, each of which moves the atoms once")
    features: PositiveInt = Field(
        256, le=65_536, description="width of what is known of each atom, and of each pair"
    )
    sublayers: PositiveInt = Field(
        1, le=16, description="rounds of messages between atoms in a block, before they move"
    )
    attention: bool = Field(True, description="weigh each message by a gate of its own")
    tanh: bool = Field(True, description="bound how far a pair of atoms moves each other")
    range: PositiveFloat = Field(
        15.0, description="with tanh, that bound for all blocks together, in model units"
    )
    norm_constant: float = Field(
        1.0,
        ge=0,
        description="added to the distance that the direction between two atoms is divided by",
    )
    aggregation: Literal["sum", "mean"] = Field(
        "sum", description="of what reaches an atom from all others"
    )
    divisor: PositiveFloat = Field(
        1.0, description="with sum, what it is divided by; some twenty where molecules are large"
    )
    reflections: bool = Field(
        True,
        description="a mirrored molecule gives the mirrored answer; without, mirror images may "
        "differ (by a cross product)",
    )
    embedding: PositiveInt = Field(256, le=65_536, description="width of the noise embedding")


class AtomTransformerOptions(TransformerOptions):
    """The diffusion transformer on atoms."""

    pair_width: PositiveInt = Field(
        64, description="width of the layer that makes a bias of attention of each distance"
    )
    messages: NonNegativeInt = Field(
        0,
        le=4_096,
        description="channels of what atoms tell each other by distance and direction, before and "
        "after the blocks: helps short trainings; 0 for none",
    )
