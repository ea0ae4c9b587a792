"""The U-Nets that the field compares with: DDPM++ (Song et al. 2021) and ADM (Dhariwal & Nichol 2021).

Written from Song et al. 2021, arXiv:2011.13456, App. H; Dhariwal & Nichol 2021, arXiv:2105.05233,
sec. 3; and Karras et al. 2022, arXiv:2206.00364, Table 7 and App. F, which trained both. Residual
blocks change the resolution too, and every block keeps a skip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UsageError
from .attention import Attention, CrossAttention, SelfAttention
from .backbone import Backbone, Interface, Signals
from .blocks import Block
from .embedding import NoiseEmbedding
from .layers import conv, crop, entered, every, masked, real_positions
from .norm import NormActivation
from .options import ResidualUNetOptions
from .recompute import recompute

AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class ResidualUNet(Backbone):
    """Levels of residual blocks; a block that changes the resolution stands between two levels.

    The number of dimensions is that of ``interface.shape`` without its channels. Any size will do.
    """

    def __init__(self, options: ResidualUNetOptions, interface: Interface) -> None:
        super().__init__()
        channels, *sizes = interface.shape
        d = len(sizes)
        if channels is None or not 1 <= d <= 3:
            raise UsageError(
                f"This U-Net does not take examples of shape {interface.shape}. Use another "
                "backbone: it needs channels and one to three axes."
            )
        self.options = options
        self.levels = len(options.multipliers)
        embedding = options.embedding or 4 * options.channels
        widths = [options.channels * m for m in options.multipliers]

        def block(level: int, inputs: int, attends: bool) -> ResidualBlock:
            here = attends and _attends(options, sizes, level)
            layers = _attentions(options, interface, widths[level]) if here else []
            return ResidualBlock(options, d, inputs, widths[level], embedding, layers)

        def resample(direction: str, width: int) -> ResidualBlock:
            return ResidualBlock(options, d, width, width, embedding, [], direction)

        self.embedding = NoiseEmbedding(embedding, interface.vector, options.channels)
        self.stem = conv(d, channels + interface.channels, options.channels)
        kept, width = [options.channels], options.channels
        self.encoder = nn.ModuleList()
        for level in range(self.levels):
            blocks = [resample("down", width)] if level else []
            kept += [width] * len(blocks)
            for _ in range(options.blocks):
                blocks.append(block(level, width, True))
                width = widths[level]
                kept.append(width)
            self.encoder.append(nn.ModuleList(blocks))
        bottom = self.levels - 1
        layers = _attentions(options, interface, width)
        middle = ResidualBlock(options, d, width, width, embedding, layers)
        self.middle = nn.ModuleList((middle, block(bottom, width, False)))
        self.decoder = nn.ModuleList()
        for level in reversed(range(self.levels)):
            blocks = [] if level == bottom else [resample("up", width)]
            for place in range(options.blocks + 1):
                last = place == options.blocks
                attends = options.decoder_attention == "all" or last
                blocks.append(block(level, width + kept.pop(), attends))
                width = widths[level]
            self.decoder.append(nn.ModuleList(blocks))
        self.norm = NormActivation(width)
        self.head = conv(d, width, channels, gain=0)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        embedding = self.embedding(c_noise, signals.vector)
        masks = _masks(x, mask, self.levels)
        further = () if signals.channels is None else (signals.channels,)
        h = self.stem(entered(x, further, mask))
        kept = [h]

        def run(block: nn.Module, h: Tensor, level: int, before: int) -> Tensor:
            sizes = kept[-1].shape[2:] if before > level else h.shape[2:]
            place = (masks[before], masks[level])
            return recompute(self, block, h, embedding, signals, *place, sizes)

        for level, blocks in enumerate(self.encoder):
            for block in cast(list[ResidualBlock], blocks):
                h = run(block, h, level, level - (block.resample == "down"))
                kept.append(h)
        bottom = self.levels - 1
        for block in cast(list[ResidualBlock], self.middle):
            h = run(block, h, bottom, bottom)
        for level, blocks in zip(reversed(range(self.levels)), self.decoder, strict=True):
            for block in cast(list[ResidualBlock], blocks):
                if block.resample:
                    h = run(block, h, level, level + 1)
                else:
                    h = run(block, torch.cat((h, kept.pop()), 1), level, level)
        return self.head(self.norm(h, mask=masks[0]))


class ResidualBlock(Block):
    """The U-Net's block, which may change the resolution before its first convolution.

    Args:
        resample: "down" averages, "up" repeats, each by 2 along every axis; "" keeps the size.
    """

    def __init__(
        self,
        options: ResidualUNetOptions,
        dimension: int,
        inputs: int,
        outputs: int,
        embedding: int,
        attentions: list[Attention],
        resample: str = "",
    ) -> None:
        super().__init__(
            dimension,
            inputs,
            outputs,
            embedding,
            options.dropout,
            options.skip_scale,
            attentions,
        )
        self.resample, self.scales = resample, options.film == "scale-shift"
        if not self.scales:
            self.film = nn.Linear(embedding, outputs)
        if resample and options.project_resampled:
            self.skip = conv(dimension, inputs, outputs, kernel=1)

    def forward(  # type: ignore[override]
        self,
        x: Tensor,
        embedding: Tensor,
        signals: Signals,
        before: Tensor | None,
        after: Tensor | None,
        sizes: torch.Size,
    ) -> Tensor:
        """``x [b, c, ...]`` -> ``[b, outputs, *sizes]``.

        Args:
            before, after: the masks of the input and of the output.
        """
        h = self.conv1(self._resampled(self.norm1(x, mask=before), sizes, after))
        film = self.film(embedding)
        if self.scales:
            h = self.norm2(h, film, after)
        else:
            h = self.norm2(h + film.reshape(*film.shape, *(1,) * (h.ndim - 2)), mask=after)
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        h = self.conv2(h).add_(self.skip(self._resampled(masked(x, before), sizes, after)))
        if self.skip_scale != 1:
            h = h.mul_(self.skip_scale)
        for attention in self.attentions:
            h = attention(h, signals.tokens, after, signals.token_mask)
        return h

    def _resampled(self, x: Tensor, sizes: torch.Size, mask: Tensor | None) -> Tensor:
        if self.resample == "down":
            x = AVERAGES[x.ndim - 2](x, 2, ceil_mode=True)
        elif self.resample == "up":
            x = crop(F.interpolate(x, scale_factor=2.0), sizes)
        return masked(x, mask) if self.resample else x


def _attends(options: ResidualUNetOptions, sizes: Sequence[int | None], level: int) -> bool:
    """Whether a level has attention, by its number of positions; an axis that varies has none."""
    positions = math.prod(math.inf if n is None else -(-n // 2**level) for n in sizes)
    return options.attention_from <= positions <= options.attention


def _attentions(options: ResidualUNetOptions, interface: Interface, width: int) -> list[Attention]:
    """Attention to all positions, and to the tokens of a condition."""
    head = options.head_width or width
    layers: list[Attention] = [SelfAttention(width, head)]
    if interface.tokens:
        layers.append(CrossAttention(width, head, interface.tokens))
    return layers


def _masks(x: Tensor, mask: Tensor | None, levels: int) -> list[Tensor | None]:
    """The mask at each level: a position is real if the first one it covers is real."""
    if mask is None:
        return [None] * levels
    masks: list[Tensor | None] = [real_positions(x, mask)]
    while len(masks) < levels:
        above = masks[-1]
        assert above is not None
        masks.append(every(above, 2))
    return masks
