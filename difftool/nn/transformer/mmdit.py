"""MMDiT: two streams of tokens with joint attention (Esser et al. 2024, arXiv:2403.03206, Fig. 2).

Behind them blocks with one stream of all tokens, as in FLUX.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..attention import attend
from ..backbone import Backbone, Interface, Signals
from ..embedding import NoiseEmbedding
from ..layers import linear
from ..recompute import recompute
from .attention import QKNorm, heads_of, keys
from .block import Block, Sizes
from .feedforward import feedforward
from .heads import merge, split
from .modulation import Modulation, gated, normalised
from .norm import RMSNorm
from .options import BlockOptions, MMDiTOptions
from .patches import Patches
from .rotary import Rotary, rotated, sinusoids, turned
from .sequence import Prefix, real_tokens


class MMDiT(Backbone):
    """Condition tokens and patches, first in streams with weights of their own, then in one stream.

    The noise level and the global vector modulate all blocks. The number of dimensions is that of
    ``interface.shape`` without its channels. Any size will do.
    """

    def __init__(self, options: MMDiTOptions, interface: Interface) -> None:
        super().__init__()
        width, heads = options.channels, heads_of(options.channels, options.head_width)
        self.options = options
        self.patches = Patches(options, interface, width)
        self.rotary = Rotary(width // heads, self.patches.axes, options.theta)
        self.embedding = NoiseEmbedding(width, interface.vector)
        self.prefix = Prefix(width, options.registers, 0, interface.tokens)
        self.first = linear(width, width, bias=False) if options.value_residual else None
        self.doubles = nn.ModuleList(
            JointBlock(options, heads, width) for _ in range(options.doubles)
        )
        singles = max(1, options.layers - options.doubles)
        self.blocks = nn.ModuleList(Block(options, Sizes(heads, width)) for _ in range(singles))
        self.norm = RMSNorm(width)
        self.final = Modulation(width, width, 2)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        real = self.patches.real(x, mask)
        places = self.patches.coordinates(x, real)
        h, close = self.patches.enter(x, signals.channels, mask)
        if self.options.absolute:
            h = h + sinusoids(places, h.shape[-1]).to(h.dtype)
        embedding = self.embedding(c_noise, signals.vector)
        context, context_mask = self.prefix(signals, h)
        assert context is not None  # registers
        length = context.shape[1]
        seen = keys(real_tokens(h, real, context, context_mask))
        turn = turned(self.rotary(places), length)
        h = torch.cat((context, h), 1)
        first = None if self.first is None else self.first(self.norm(h))
        for block in self.doubles:
            context, rest = h[:, :length], h[:, length:]
            h = recompute(self, block, context, rest, embedding, turn, seen)
        for block in self.blocks:
            h = recompute(self, block, h, embedding, turn, first, seen)
        h = normalised(h[:, length:], *self.final(embedding))
        return self.patches.leave(h, close)


class JointBlock(nn.Module):
    """A block with weights for each of two streams, whose tokens all attend to one another.

    A new block is the identity.
    """

    def __init__(self, options: BlockOptions, heads: int, embedding: int) -> None:
        super().__init__()
        self.context = Branch(options, heads, embedding)
        self.example = Branch(options, heads, embedding)

    def forward(
        self,
        context: Tensor,
        example: Tensor,
        embedding: Tensor,
        turn: Tensor,
        seen: Tensor | None,
    ) -> Tensor:
        """``context [b, p, width]``, ``example [b, n, width]`` -> both, ``[b, p + n, width]``."""
        vectors = [branch.modulation(embedding) for branch in (self.context, self.example)]
        pairs = [
            branch.project(x, *v[:2])
            for branch, x, v in zip(
                (self.context, self.example), (context, example), vectors, strict=True
            )
        ]
        query, key, value = (torch.cat(parts, 2) for parts in zip(*pairs, strict=True))
        h = merge(attend(rotated(query, turn), rotated(key, turn), value, seen))
        length = context.shape[1]
        return torch.cat(
            (
                self.context.leave(context, h[:, :length], *vectors[0][2:]),
                self.example.leave(example, h[:, length:], *vectors[1][2:]),
            ),
            1,
        )


class Branch(nn.Module):
    """The weights of one stream of a ``JointBlock``."""

    def __init__(self, options: BlockOptions, heads: int, embedding: int) -> None:
        super().__init__()
        width = options.channels
        self.heads = heads
        self.modulation = Modulation(embedding, width, 6)
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.query_key_value = linear(width, 3 * width)
        self.norm = QKNorm(width // heads, options.qk_norm)
        self.out = linear(width, width)
        self.feedforward = feedforward(options.feedforward, width, options.expansion)

    def project(self, x: Tensor, shift: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[b, n, width]`` -> query, key and value, ``[b, heads, n, d]``."""
        h = self.query_key_value(normalised(x, shift, scale))
        query, key, value = (split(t, self.heads) for t in h.chunk(3, -1))
        query, key = self.norm(query, key)
        return query, key, value

    def leave(
        self, x: Tensor, h: Tensor, gate1: Tensor, shift2: Tensor, scale2: Tensor, gate2: Tensor
    ) -> Tensor:
        """The rest of the block, after attention ``h [b, n, width]``."""
        x = gated(x, gate1, self.out(h))
        return gated(x, gate2, self.feedforward(normalised(x, shift2, scale2)))
