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


class BlockOptions(Options):
    """A stack of transformer blocks."""

    preset: Preset = Field(
        "S", description="width and depth, as published; tiny is a size for a CPU"
    )
    width: NonNegativeInt = Field(
        0, le=65_536, description="channels of each token; 0 for the preset's"
    )
    depth: NonNegativeInt = Field(0, le=256, description="number of blocks; 0 for the preset's")
    head_width: PositiveInt = Field(64, le=65_536, description="channels per attention head")
    feedforward: Literal["gelu", "swiglu"] = Field(
        "gelu",
        description="the layer after attention: two matrices with a GELU between them, or SwiGLU "
        "with the same number of parameters",
    )
    expansion: PositiveFloat = Field(
        4.0, le=64, description="hidden channels of that layer, as a multiple of width"
    )
    qk_norm: bool = Field(
        True, description="normalise queries and keys, which keeps attention stable"
    )
    value_residual: bool = Field(
        True, description="mix the values of every block with values of the first tokens"
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


class TransformerOptions(BlockOptions):
    """A stack of transformer blocks that the noise level modulates."""

    modulation: Literal["block", "shared"] = Field(
        "block",
        description="adaLN-Zero: each block has its own map from the noise level, or all blocks "
        "share one and add a learned vector each, which saves a quarter of the parameters",
    )
    registers: NonNegativeInt = Field(
        0, le=4_096, description="learned tokens without a position that join the sequence"
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


class PatchOptions(Options):
    """The patches of a grid as tokens."""

    patch: tuple[PositiveInt, ...] = Field(
        (2,),
        min_length=1,
        max_length=3,
        description="side of the patches that are one token each, in entries; one number for all "
        "axes, or one for each, such as [1, 4, 4] for patches of space and time",
    )
    bottleneck: NonNegativeInt = Field(
        0,
        le=65_536,
        description="channels between a patch and its token, fewer than either: helps patches of "
        "16 and more, with a process that predicts x0; 0 for none",
    )
    detail: NonNegativeInt = Field(
        0,
        le=65_536,
        description="channels of convolutions at full resolution before and after the tokens, which "
        "add what a patch looks like close by: helps short trainings; 0 for none",
    )
    stretch: bool = Field(
        False,
        description="sample other sizes with positions that are scaled to the size trained on: "
        "the same content in more detail; without, positions continue: more content",
    )


class GridOptions(PatchOptions):
    """Patches with rotary positions."""

    theta: PositiveFloat = Field(
        100.0,
        description="rotary positions: the slowest channels turn by about 1 / theta per patch",
    )
    absolute: bool = Field(
        True, description="also add sines and cosines of the positions to the first tokens"
    )


class DiTOptions(TransformerOptions, GridOptions):
    """The diffusion transformer. Blocks see all tokens, or turn by turn those along some axes."""

    attention: Literal["full", "factorised"] = Field(
        "full",
        description="each token attends to all tokens; or odd blocks attend within a slice of the "
        "first axis (such as a frame), and even blocks along that axis",
    )
    causal: bool = Field(
        False, description="tokens attend to none that are later along the first axis"
    )
    pack: bool = Field(
        False,
        description="leave padding out: the tokens of examples of several lengths or sizes are one "
        "long sequence, and attention stays within each example. The step is not recorded as a CUDA "
        "graph then, because its shapes change",
    )


class UViTOptions(BlockOptions, GridOptions):
    """U-ViT: noise level and conditions are tokens, and long skips join shallow and deep blocks."""

    convolution: bool = Field(
        True, description="a convolution at the end, which smooths the seams between patches"
    )


class MMDiTOptions(BlockOptions, GridOptions):
    """MMDiT: a stream of condition tokens and one of patches, with joint attention."""

    two_streams: NonNegativeInt = Field(
        0,
        description="blocks with separate weights for the two streams; the others, at least one, "
        "have one stream of all tokens; 0 for a third of the blocks",
    )
    registers: PositiveInt = Field(
        4, le=4_096, description="learned tokens in the stream of the condition, which may be empty"
    )

    @property
    def doubles(self) -> int:
        """The number of blocks with two streams."""
        return min(self.two_streams or max(1, self.layers // 3), max(1, self.layers - 1))


class RINOptions(BlockOptions, PatchOptions):
    """The recurrent interface network: blocks run on a few latent tokens. Width is theirs."""

    latents: PositiveInt = Field(64, le=65_536, description="number of latent tokens")
    patch_width: NonNegativeInt = Field(
        0,
        le=65_536,
        description="channels of each patch token; 0 for half of those of a latent token",
    )
    rounds: PositiveInt = Field(
        3,
        le=64,
        description="how often latent tokens read from the patches, pass their share of the "
        "blocks, and write to the patches",
    )

    @property
    def outer(self) -> int:
        """Channels of each patch token."""
        return self.patch_width or self.channels // 2

    @property
    def blocks_per_round(self) -> int:
        return max(1, self.layers // self.rounds)
