"""Settings of the transformers. This module imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from ...options import Options

Preset = Literal["tiny", "S", "B", "L", "XL"]

PRESETS: Mapping[str, Mapping[str, int]] = {
    "tiny": {"width": 192, "depth": 6},
    "S": {"width": 384, "depth": 12},
    "B": {"width": 768, "depth": 12},
    "L": {"width": 1024, "depth": 24},
    "XL": {"width": 1152, "depth": 28},
}
"""Width and depth (Peebles & Xie 2023, arXiv:2212.09748, Table 1; ``tiny`` is ours, for a CPU)."""


class TransformerOptions(Options):
    """A stack of transformer blocks that the noise level modulates."""

    preset: Preset = Field(
        "S", description="width and depth, as published; tiny is a size for a CPU"
    )
    width: NonNegativeInt = Field(0, description="channels of each token; 0 for the preset's")
    depth: NonNegativeInt = Field(0, description="number of blocks; 0 for the preset's")
    head_width: PositiveInt = Field(64, description="channels per attention head")
    feedforward: Literal["gelu", "swiglu"] = Field(
        "gelu",
        description="the layer after attention: two matrices with a GELU between them, or SwiGLU "
        "with the same number of parameters",
    )
    expansion: PositiveFloat = Field(
        4.0, description="hidden channels of that layer, as a multiple of width"
    )
    modulation: Literal["block", "shared"] = Field(
        "block",
        description="adaLN-Zero: each block has its own map from the noise level, or all blocks "
        "share one and add a learned vector each, which saves a quarter of the parameters",
    )
    qk_norm: bool = Field(
        True, description="normalise queries and keys, which keeps attention stable"
    )
    value_residual: bool = Field(
        True, description="mix the values of every block with values of the first tokens"
    )
    registers: NonNegativeInt = Field(
        0, description="learned tokens without a position that join the sequence"
    )
    tokens: Literal["cross", "context"] = Field(
        "cross",
        description="how a condition that is a sequence (such as text) enters: by cross-attention "
        "in every block, or as tokens of the same sequence",
    )
    vector: Literal["modulation", "context"] = Field(
        "modulation",
        description="how conditions that are one vector (such as labels) enter: with the noise "
        "level, or as a token of the sequence",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout at the end of each branch")

    @property
    def channels(self) -> int:
        """The width, of the preset if it is not set."""
        return self.width or PRESETS[self.preset]["width"]

    @property
    def layers(self) -> int:
        """The depth, of the preset if it is not set."""
        return self.depth or PRESETS[self.preset]["depth"]


class GridOptions(TransformerOptions):
    """A transformer over the patches of a grid."""

    patch: tuple[PositiveInt, ...] = Field(
        (2,),
        min_length=1,
        max_length=3,
        description="side of the patches that are one token each, in entries; one number for all "
        "axes, or one for each, such as [1, 4, 4] for patches of space and time",
    )
    bottleneck: NonNegativeInt = Field(
        0,
        description="channels between a patch and its token, fewer than either: helps patches of "
        "16 and more, with a process that predicts x0; 0 for none",
    )
    theta: PositiveFloat = Field(
        100.0,
        description="rotary positions: the slowest channels turn by about 1 / theta per patch",
    )
    absolute: bool = Field(
        True, description="also add sines and cosines of the positions to the first tokens"
    )
    stretch: bool = Field(
        False,
        description="sample other sizes with positions that are scaled to the size trained on: "
        "the same content in more detail; without, positions continue: more content",
    )


class DiTOptions(GridOptions):
    """The diffusion transformer. Blocks see all tokens, or turn by turn those along some axes."""

    attention: Literal["full", "factorised"] = Field(
        "full",
        description="each token attends to all tokens; or odd blocks attend within a slice of the "
        "first axis (such as a frame), and even blocks along that axis",
    )
    causal: bool = Field(
        False, description="tokens attend to none that are later along the first axis"
    )
