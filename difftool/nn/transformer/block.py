"""The transformer block: attention and a feed-forward layer, each modulated by the noise level."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import TokenAttention, TokenCrossAttention, keys
from .feedforward import feedforward
from .modulation import Modulation, gated, normalised
from .norm import RMSNorm
from .options import BlockOptions
from .packing import Packing


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a block that do not follow from its options.

    Attributes:
        heads: attention heads.
        embedding: width of the embedding that modulates.
        shared: as in ``Modulation``.
        cross: width of the tokens for cross-attention; 0 for none.
    """

    heads: int
    embedding: int
    cross: int = 0
    shared: bool = False

    @property
    def constant(self) -> bool:
        """Nothing modulates the block: its scales, shifts and gates are learned numbers."""
        return self.shared and not self.embedding


class Block(nn.Module):
    """x + gate attention(norm x), then x + gate feedforward(norm x); a new block is the identity.

    Every block of a network is the same module with the same inputs, so one compilation or one
    recording serves all.
    """

    def __init__(self, options: BlockOptions, sizes: Sizes) -> None:
        super().__init__()
        width, heads = options.channels, sizes.heads
        self.dropout = options.dropout
        self.modulation = Modulation(sizes.embedding, width, 6, sizes.shared)
        gain = 1.0
        if sizes.constant:
            # a gate that is only a learned number moves by at most the learning rate in a step,
            # and would hold the branch shut for hundreds of steps; a matrix opens in a few
            self.modulation.start(gates=(2, 5))
            gain = 0.0
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.attention = TokenAttention(width, heads, options.qk_norm, options.value_residual, gain)
        self.cross_norm = RMSNorm(width, scale=True) if sizes.cross else None
        self.cross = (
            TokenCrossAttention(width, heads, sizes.cross, options.qk_norm) if sizes.cross else None
        )
        self.feedforward = feedforward(options.feedforward, width, options.expansion, gain)

    def forward(
        self,
        x: Tensor,
        embedding: Tensor,
        turn: Tensor | None,
        first: Tensor | None,
        seen: Tensor | None,
        tokens: Tensor | None = None,
        token_mask: Tensor | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """``x [b, n, width]`` -> like ``x``.

        Args:
            embedding: ``[b, embedding]``, the noise level and global conditions.
            turn, first, seen: as in ``TokenAttention``.
            tokens: ``[b, m, cross]``, a condition's tokens, real where ``token_mask [b, m]`` is.
            packing: ``x`` is the packed sequence ``[1, N, width]`` of examples that are in its order.
        """
        vectors = self.modulation(embedding)
        if packing is not None:
            vectors = tuple(map(packing.spread, vectors))
        shift1, scale1, gate1, shift2, scale2, gate2 = vectors
        h = self.attention(normalised(x, shift1, scale1), turn, first, seen, packing)
        x = gated(x, gate1, self._dropped(h))
        if self.cross is not None and self.cross_norm is not None and tokens is not None:
            x = x + self.cross(self.cross_norm(x), tokens, keys(token_mask), packing)
        h = self.feedforward(normalised(x, shift2, scale2))
        return gated(x, gate2, self._dropped(h))

    def _dropped(self, h: Tensor) -> Tensor:
        return F.dropout(h, self.dropout, self.training) if self.dropout else h
