"""A transformer block in the place of a convolutional one: the middle of a U-Net.

Hoogeboom et al. 2023, arXiv:2301.11093, sec. 3.3 (U-ViT of simple diffusion): most of the network's
work is done at the level with the fewest positions, by a transformer.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from .attention import heads_of, keys
from .block import Block, Sizes
from .options import BlockOptions
from .rotary import Rotary, turns


class MiddleBlock(nn.Module):
    """A transformer block over the positions of a level; a new one is the identity.

    Args:
        axes: of the level.
        embedding: width of what modulates it.
        tokens: width of the tokens for cross-attention; 0 for none.
    """

    def __init__(
        self, channels: int, head_width: int, axes: int, embedding: int, dropout: float, tokens: int
    ) -> None:
        super().__init__()
        heads = heads_of(channels, min(head_width, channels))
        options = BlockOptions(width=channels, value_residual=False, dropout=dropout)
        self.block = Block(options, Sizes(heads, embedding, tokens))
        self.rotary = Rotary(channels // heads, axes, 100.0)

    def forward(
        self,
        x: Tensor,
        embedding: Tensor,
        tokens: Tensor | None,
        mask: Tensor | None,
        token_mask: Tensor | None = None,
    ) -> Tensor:
        """``x [b, c, ...]``, ``mask [b, 1, ...]`` -> like ``x``, with any values on padding."""
        axes = [torch.arange(n, device=x.device, dtype=torch.float32) for n in x.shape[2:]]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
        real = None if mask is None else mask.flatten(1).bool()
        real = None if real is None else real | ~real.any(-1, keepdim=True)
        h = rearrange(x, "b c ... -> b (...) c")
        turn = turns(self.rotary(places))
        h = self.block(h, embedding, turn, None, keys(real), tokens, token_mask)
        return h.transpose(1, 2).reshape(x.shape)
