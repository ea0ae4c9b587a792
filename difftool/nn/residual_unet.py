"""The U-Nets that the field compares with: DDPM++ (Song et al. 2021) and ADM.

Dhariwal & Nichol 2021.

Written from Song et al. 2021, arXiv:2011.13456, App. H; Dhariwal & Nichol 2021, arXiv:2105.05233,
sec. 3; and Karras et al. 2022, arXiv:2206.00364, Table 7 and App. F, which trained both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, CrossAttention, SelfAttention
from .backbone import Interface, Signals
from .blocks import Block
from .embedding import NoiseEmbedding
from .layers import conv, entered, masked
from .levels import Direction, LevelBlock, LevelUNet, Place, axes_of, level_masks, positions
from .norm import NormActivation
from .options import ResidualUNetOptions


class ResidualUNet(LevelUNet):
    """Levels of residual blocks, all modulated by the noise level.

    The number of dimensions is that of ``interface.shape`` without its channels. Any size will do.
    """

    def __init__(self, options: ResidualUNetOptions, interface: Interface) -> None:
        super().__init__()
        channels, sizes = axes_of(interface, "This U-Net")
        d, embedding = len(sizes), options.embedding or 4 * options.channels
        self.levels = len(options.multipliers)

        def block(place: Place) -> LevelBlock:
            attends = _attends(options, place, positions(sizes, place.level))
            layers = _attentions(options, interface, place.outputs) if attends else []
            return ResidualBlock(options, d, place.inputs, place.outputs, embedding, layers)

        def resample(width: int, direction: Direction) -> LevelBlock:
            return ResidualBlock(options, d, width, width, embedding, [], direction)

        self.embedding = NoiseEmbedding(embedding, interface.vector, options.channels)
        self.stem = conv(d, channels + interface.channels, options.channels)
        widths = [options.channels * m for m in options.multipliers]
        self.build(widths, options.blocks, options.channels, block, resample)
        self.norm = NormActivation(widths[0])
        self.head = conv(d, widths[0], channels, gain=0)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        masks = level_masks(x, mask, self.levels)
        further = () if signals.channels is None else (signals.channels,)
        h = self.stem(entered(x, further, mask))
        h = self.walk(h, masks, self.embedding(c_noise, signals.vector), signals)
        return self.head(self.norm(h, mask=masks[0]))


class ResidualBlock(LevelBlock, Block):
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
        resample: Direction = "",
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
        tokens: Tensor | None,
        token_mask: Tensor | None,
        before: Tensor | None,
        after: Tensor | None,
        sizes: torch.Size,
    ) -> Tensor:
        """``x [b, c, ...]`` -> ``[b, outputs, *sizes]``.

        Args:
            before, after: the masks of the input and of the output.
        """
        h = self.conv1(masked(self.resampled(self.norm1(x, mask=before), before, sizes), after))
        assert self.film is not None
        film = self.film(embedding)
        if self.scales:
            h = self.norm2(h, film, after)
        else:
            h = self.norm2(h + film.reshape(*film.shape, *(1,) * (h.ndim - 2)), mask=after)
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        h = self.conv2(h).add_(self.skip(masked(self.resampled(x, before, sizes), after)))
        if self.skip_scale != 1:
            h = h.mul_(self.skip_scale)
        for attention in self.attentions:
            h = attention(h, tokens, after, token_mask)
        return h


def _attends(options: ResidualUNetOptions, place: Place, positions: float) -> bool:
    """The first block of the middle does, and those of levels with the right number of positions."""
    if place.side == "middle":
        return place.nth == 0
    last = place.nth == place.total - 1
    if place.side == "decoder" and options.decoder_attention == "last" and not last:
        return False
    return options.attention_from <= positions <= options.attention


def _attentions(options: ResidualUNetOptions, interface: Interface, width: int) -> list[Attention]:
    """Attention to all positions, and to the tokens of a condition."""
    head = options.head_width or width
    layers: list[Attention] = [SelfAttention(width, head)]
    if interface.tokens:
        layers.append(CrossAttention(width, head, interface.tokens))
    return layers
