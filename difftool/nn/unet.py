"""The U-Net, in one, two or three dimensions.

Ronneberger et al. 2015; Ho et al. 2020, arXiv:2006.11239, App. B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import UsageError
from .attention import Attention, CrossAttention, SelfAttention
from .backbone import Backbone, Interface, Signals
from .blocks import Block, Down, Up
from .embedding import NoiseEmbedding, fourier_features
from .layers import conv, entered, every, patchify, real_positions, unpatchify
from .norm import NormActivation
from .options import UNetOptions
from .transformer.middle import MiddleBlock


class Level(NamedTuple):
    """The width of a level and its number of positions.

    The number is infinite where an axis varies, so that such a level has no attention.
    """

    channels: int
    positions: float


Run = Callable[[nn.Module, Tensor, Tensor | None], Tensor]
"""``(block, h, mask at its level) -> h``."""


class UNet(Backbone):
    """An encoder of residual blocks, a middle, and a decoder whose blocks take skips from the
    encoder.

    The number of dimensions is that of ``interface.shape`` without its channels. Any size will do,
    odd ones included.
    """

    def __init__(self, options: UNetOptions, interface: Interface) -> None:
        super().__init__()
        channels, *sizes = interface.shape
        d = len(sizes)
        if channels is None or not 1 <= d <= 3:
            raise UsageError(
                f"The U-Net does not take examples of shape {interface.shape}. Use another "
                "backbone: it needs channels and one to three axes."
            )
        self.levels = list(_levels(options, sizes))
        widths = [level.channels for level in self.levels]
        embedding = options.embedding or 4 * options.channels

        def block(level: int, inputs: int, middle: bool = False) -> Block:
            attentions = list(_attentions(options, interface, self.levels[level], middle))
            return Block(
                d, inputs, widths[level], embedding, options.dropout, options.skip_scale, attentions
            )

        self.patch, self.factors, self.fourier_features = (
            options.patch,
            options.strides,
            options.fourier_features,
        )
        self.embedding = NoiseEmbedding(embedding, interface.vector)
        inputs = channels * (1 + 2 * options.fourier_features) + interface.channels
        self.stem = conv(d, inputs * options.patch**d, widths[0])
        self.encoder = _modules(
            (block(i, w) for _ in range(options.blocks)) for i, w in enumerate(widths)
        )
        self.downs = nn.ModuleList(
            Down(d, *pair, factor)
            for pair, factor in zip(pairwise(widths), options.strides, strict=True)
        )
        first, last = (block(len(widths) - 1, widths[-1], middle) for middle in (True, False))
        transformer = (
            MiddleBlock(
                widths[-1], options.head_width, d, embedding, options.dropout, interface.tokens
            )
            for _ in range(options.transformer)
        )
        self.middle = nn.ModuleList((first, *transformer, last))
        self.ups = nn.ModuleList(
            Up(d, below, above, factor)
            for (above, below), factor in zip(pairwise(widths), options.strides, strict=True)
        )
        self.decoder = _modules(
            (block(i, 2 * w) for _ in range(options.blocks + 1)) for i, w in enumerate(widths)
        )
        self.norm = NormActivation(widths[0])
        self.head = conv(d, widths[0], channels * options.patch**d, gain=0)

    def regions(self) -> Iterator[nn.Module]:
        return (module for module in self.modules() if isinstance(module, Block | MiddleBlock))

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        embedding, tokens, seen = (
            self.embedding(c_noise, signals.vector),
            signals.tokens,
            signals.token_mask,
        )
        masks = self.masks(x, mask)
        h = self.enter(x, signals.channels, mask)
        h = self.walk(
            h, masks, lambda block, h, mask: self._run(block, h, embedding, tokens, mask, seen)
        )
        return self.leave(h, x.shape[2:], masks[0])

    def enter(self, x: Tensor, channels: Tensor | None, mask: Tensor | None) -> Tensor:
        """The example and its further channels: ``[b, c, ...] -> [b, widths[0], .../patch]``."""
        features = fourier_features(x, self.fourier_features) if self.fourier_features else None
        further = [t for t in (features, channels) if t is not None]
        return self.stem(patchify(entered(x, further, mask), self.patch))

    def walk(self, h: Tensor, masks: Sequence[Tensor | None], run: Run) -> Tensor:
        """The levels between ``enter`` and ``leave``; ``run`` applies each block.

        A network that adds layers after the blocks does so in ``run``.
        """
        skips = [h]
        for level, blocks in enumerate(self.encoder):
            if level:
                h = self.downs[level - 1](h, masks[level - 1])
                skips.append(h)
            for block in cast(nn.ModuleList, blocks):
                h = run(block, h, masks[level])
                skips.append(h)
        for block in self.middle:
            h = run(block, h, masks[-1])
        for level, blocks in reversed(list(enumerate(self.decoder))):
            for block in cast(nn.ModuleList, blocks):
                h = run(block, torch.cat((h, skips.pop()), 1), masks[level])
            if level:
                h = self.ups[level - 1](h, skips[-1].shape[2:], masks[level])
        return h

    def leave(self, h: Tensor, sizes: torch.Size, mask: Tensor | None) -> Tensor:
        """The inverse of ``enter``; ``sizes`` are those of the example, ``mask`` that of the
        first level.
        """
        return unpatchify(self.head(self.norm(h, mask=mask)), self.patch, sizes)

    def block_levels(self) -> list[Level]:
        """The level of every block, in the order of ``walk``."""
        down, up = (
            [
                level
                for level, blocks in zip(self.levels, side, strict=True)
                for _ in cast(nn.ModuleList, blocks)
            ]
            for side in (self.encoder, self.decoder)
        )
        return [*down, *(self.levels[-1] for _ in self.middle), *reversed(up)]

    def masks(self, x: Tensor, mask: Tensor | None) -> Sequence[Tensor | None]:
        """The mask at each level, ``[b, 1, ...]``: a position is real if the first one it covers
        is real.
        """
        if mask is None:
            return [None] * len(self.encoder)
        masks = [every(real_positions(x, mask), self.patch)]
        for factor in self.factors:
            masks.append(every(masks[-1], factor))
        return masks

    def _run(self, block: nn.Module, *args: Tensor | None) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)


def _levels(options: UNetOptions, sizes: Sequence[int | None]) -> Iterator[Level]:
    for multiplier, positions in zip(options.multipliers, options.positions(sizes), strict=True):
        yield Level(options.channels * multiplier, positions)


def _modules(levels: Iterable[Iterable[Block]]) -> nn.ModuleList:
    return nn.ModuleList(nn.ModuleList(blocks) for blocks in levels)


def _attentions(
    options: UNetOptions, interface: Interface, level: Level, middle: bool
) -> Iterator[Attention]:
    """The attention layers of the blocks of a level."""
    channels, positions = level
    here = positions <= options.attention and (middle or positions >= options.attention_from)
    if here:
        yield SelfAttention(channels, options.head_width)
    if interface.tokens and (here or middle):
        yield CrossAttention(channels, options.head_width, interface.tokens)
