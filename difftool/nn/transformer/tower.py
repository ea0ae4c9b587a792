"""A stack of equal blocks over tokens, with what they share: embedding, prefix, first values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..backbone import Signals
from ..embedding import NoiseEmbedding
from ..layers import linear
from .attention import heads_of, keys
from .block import Block, Sizes
from .modulation import Modulation, normalised
from .norm import RMSNorm
from .options import TransformerOptions
from .packing import Packing
from .rotary import turned
from .sequence import Prefix, lengthened, real_tokens

Run = Callable[..., Tensor]
"""``(block, *inputs) -> tokens``: applies a block, and may recompute it in the backward pass."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a block after its tokens; see ``Block.forward``."""

    embedding: Tensor
    turn: Tensor | None = None
    first: Tensor | None = None
    seen: Tensor | None = None
    tokens: Tensor | None = None
    token_mask: Tensor | None = None
    packing: Packing | None = None

    def all(self) -> tuple[Tensor | Packing | None, ...]:
        return (
            self.embedding,
            self.turn,
            self.first,
            self.seen,
            self.tokens,
            self.token_mask,
            self.packing,
        )


class View(NamedTuple):
    """How a block sees the sequence: cut into other sequences before it, and joined after it."""

    cut: Callable[[Tensor], Tensor]
    join: Callable[[Tensor], Tensor]
    inputs: Inputs


class Transformer(nn.Module):
    """Tokens ``[b, n, width]`` -> tokens ``[b, n, width]``, given a noise level and conditions.

    Args:
        vector, tokens: widths of the signals, as in ``Interface``.
    """

    def __init__(self, options: TransformerOptions, vector: int, tokens: int) -> None:
        super().__init__()
        width, heads = options.channels, heads_of(options.channels, options.head_width)
        modulates, crosses = options.vector == "modulation", options.tokens == "cross"
        self.heads = heads
        self.embedding = NoiseEmbedding(width, vector if modulates else 0)
        self.shared = linear(width, 6 * width, gain=0) if options.modulation == "shared" else None
        self.prefix = Prefix(
            width, options.registers, 0 if modulates else vector, 0 if crosses else tokens
        )
        self.first = linear(width, width, bias=False) if options.value_residual else None
        self.crosses = crosses and tokens > 0
        sizes = Sizes(heads, width, tokens if crosses else 0, self.shared is not None)
        self.blocks = nn.ModuleList(Block(options, sizes) for _ in range(options.layers))
        self.norm = RMSNorm(width)
        self.final = Modulation(width, width, 2)

    def forward(
        self,
        x: Tensor,
        c_noise: Tensor,
        signals: Signals,
        *,
        run: Run,
        angles: Tensor | None = None,
        mask: Tensor | None = None,
        scores: Sequence[Tensor] = (),
        views: Callable[[Inputs], Sequence[View]] | None = None,
        pack: bool = False,
    ) -> Tensor:
        """The tokens after all blocks and a last, modulated normalisation.

        Args:
            angles: ``[n, head_width / 2]`` or ``[b or 1, n, head_width / 2]``, rotary positions.
            mask: ``[b or 1, n]``, True for real tokens.
            scores: added to the scores of attention, ``[b or 1, heads or 1, n, n]``, one for each
                block or one for all. The prefix sees no token of the example then.
            views: how the blocks see the sequence, in turn; there is no prefix then.
            pack: leave padding out, where there are neither scores nor views.
        """
        embedding = self.embedding(c_noise, signals.vector)
        prefix, prefix_mask = self.prefix(signals, x)
        length = 0 if prefix is None else prefix.shape[1]
        tokens_real = real_tokens(x, mask, prefix, prefix_mask)
        real, h = keys(tokens_real), lengthened(x, prefix)
        packing = Packing(tokens_real) if pack and tokens_real is not None else None
        if packing is not None:
            h = packing.packed(h)
        whole = Inputs(
            embedding if self.shared is None else self.shared(embedding),
            None if angles is None else turned(angles, length),
            None if self.first is None else self.first(self.norm(h)),
            real,
            signals.tokens if self.crosses else None,
            signals.token_mask if self.crosses else None,
        )
        if packing is not None:
            whole = _packed(whole, packing)
        turn = (
            views(whole) if views else [_plain(whole, seen) for seen in _seen(real, scores, length)]
        )
        for i, block in enumerate(self.blocks):
            view = turn[i % len(turn)]
            h = view.join(run(block, view.cut(h), *view.inputs.all()))
        if packing is not None:
            h = packing.unpacked(h)
        return normalised(h[:, length:], *self.final(embedding))


def _plain(inputs: Inputs, seen: Tensor | None) -> View:
    return View(_itself, _itself, replace(inputs, seen=seen))


def _packed(inputs: Inputs, packing: Packing) -> Inputs:
    """The inputs of blocks over the packed sequence: what belongs to examples is in its order."""

    def ordered(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.index_select(0, packing.order)

    return Inputs(
        inputs.embedding.index_select(0, packing.order),
        None if inputs.turn is None else packing.turned(inputs.turn),
        inputs.first,
        None,
        ordered(inputs.tokens),
        ordered(inputs.token_mask),
        packing,
    )


def _itself(h: Tensor) -> Tensor:
    return h


def _seen(real: Tensor | None, scores: Sequence[Tensor], length: int) -> list[Tensor | None]:
    """Which keys the blocks see, in turn, and what is added to their scores, for ``attend``."""
    if not scores:
        return [real]
    added = [_widened(score, length) for score in scores]
    return [*(score if real is None else score.masked_fill(~real, -torch.inf) for score in added)]


def _widened(scores: Tensor, prefix: int) -> Tensor:
    """``[..., n, n] -> [..., p + n, p + n]``: all see the prefix, which sees only itself."""
    if not prefix:
        return scores
    n = scores.shape[-1]
    below = nn.functional.pad(scores, (prefix, 0))
    above = scores.new_zeros(prefix, prefix + n)
    above[:, prefix:] = -torch.inf
    return torch.cat((above.expand(*below.shape[:-2], -1, -1), below), -2)
