"""The frame of U-Nets whose residual blocks change the resolution too (Song et al. 2021).

An encoder of levels, a middle of two blocks, and a decoder in which every block but those that
change the resolution takes a skip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UsageError
from .backbone import Backbone, Interface, Signals
from .layers import crop, every, real_positions
from .recompute import recompute

Direction = Literal["", "down", "up"]
Side = Literal["encoder", "middle", "decoder"]

AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class Place(NamedTuple):
    """The place of a block.

    Attributes:
        side: where in the network.
        nth, total: which of how many blocks of its level that keep the resolution, from 0.
    """

    level: int
    inputs: int
    outputs: int
    side: Side
    nth: int
    total: int


class LevelBlock(nn.Module):
    """A block of such a network: ``block(h, embedding, tokens, token_mask, before, after,
    sizes)``.

    ``before`` and ``after`` are the masks of its input and output, ``[b, 1, ...]`` or None, and
    ``sizes`` those of its output.
    """

    resample: Direction = ""

    def resampled(self, x: Tensor, before: Tensor | None, sizes: torch.Size) -> Tensor:
        """Means of 2 positions along every axis, or each position twice, cut to ``sizes``.

        Means are of real positions: at an odd border one position stands alone, whether padding
        follows it or nothing.
        """
        if self.resample == "down":
            average = AVERAGES[x.ndim - 2]
            if before is None:
                return average(x, 2, ceil_mode=True)
            real = before.to(x.dtype)
            share = average(real, 2, ceil_mode=True)
            return average(x * real, 2, ceil_mode=True) / share.masked_fill(share == 0, 1)
        if self.resample == "up":
            return crop(F.interpolate(x, scale_factor=2.0), sizes)
        return x


class LevelUNet(Backbone):
    """The levels of a U-Net, built by ``build`` and passed by ``walk``."""

    def build(
        self,
        widths: Sequence[int],
        blocks: int,
        start: int,
        block: Callable[[Place], LevelBlock],
        resample: Callable[[int, Direction], LevelBlock],
    ) -> None:
        """Make the blocks.

        Args:
            widths: of each level; the last level has the fewest positions.
            blocks: per level of the encoder; the decoder has one more.
            start: width of the input of ``walk``.
            block: makes the block of a place.
            resample: makes the block that changes the resolution, of this width.
        """
        bottom, kept, width = len(widths) - 1, [start], start
        encoder, decoder = list[nn.ModuleList](), list[nn.ModuleList]()
        for level, outputs in enumerate(widths):
            row = [resample(width, "down")] if level else []
            kept += [width] * len(row)
            for i in range(blocks):
                row.append(block(Place(level, width, outputs, "encoder", i, blocks)))
                width = outputs
                kept.append(width)
            encoder.append(nn.ModuleList(row))
        middle = [block(Place(bottom, width, width, "middle", i, 2)) for i in range(2)]
        for level in range(bottom, -1, -1):
            row = [resample(width, "up")] if level < bottom else []
            for i in range(blocks + 1):
                inputs = width + kept.pop()
                row.append(block(Place(level, inputs, widths[level], "decoder", i, blocks + 1)))
                width = widths[level]
            decoder.append(nn.ModuleList(row))
        self.encoder, self.middle = nn.ModuleList(encoder), nn.ModuleList(middle)
        self.decoder = nn.ModuleList(decoder)

    def walk(
        self, h: Tensor, masks: Sequence[Tensor | None], embedding: Tensor, signals: Signals
    ) -> Tensor:
        """``h [b, start, ...] -> [b, widths[0], ...]``; ``masks`` are those of the levels."""
        kept, bottom = [h], len(masks) - 1

        def run(block: LevelBlock, h: Tensor, before: int, level: int) -> Tensor:
            sizes = kept[-1].shape[2:] if block.resample == "up" else h.shape[2:]
            place = (masks[before], masks[level], sizes)
            tokens = (signals.tokens, signals.token_mask)
            return recompute(self, block, h, embedding, *tokens, *place)

        for level, row in enumerate(self.encoder):
            for block in cast(list[LevelBlock], row):
                h = run(block, h, level - bool(block.resample), level)
                kept.append(h)
        for block in cast(list[LevelBlock], self.middle):
            h = run(block, h, bottom, bottom)
        for level, row in zip(range(bottom, -1, -1), self.decoder, strict=True):
            for block in cast(list[LevelBlock], row):
                if not block.resample:
                    h = self.join(h, kept.pop())
                h = run(block, h, level + bool(block.resample), level)
        return h

    def join(self, h: Tensor, skip: Tensor) -> Tensor:
        """What a block of the decoder is given."""
        return torch.cat((h, skip), 1)


def axes_of(interface: Interface, name: str) -> tuple[int, list[int | None]]:
    """The channels and the sizes of examples that are grids of one to three axes.

    Raises UsageError if they are not.
    """
    channels, *sizes = interface.shape
    if channels is None or not 1 <= len(sizes) <= 3:
        raise UsageError(
            f"{name} does not take examples of shape {interface.shape}. Use another backbone: it "
            "needs channels and one to three axes."
        )
    return channels, sizes


def positions(sizes: Sequence[int | None], level: int) -> float:
    """The number of positions of a level; infinite where an axis varies."""
    return math.prod(math.inf if n is None else -(-n // 2**level) for n in sizes)


def level_masks(x: Tensor, mask: Tensor | None, levels: int) -> list[Tensor | None]:
    """The mask at each level, ``[b, 1, ...]``: a position is real if the first it covers is."""
    if mask is None:
        return [None] * levels
    masks = [real_positions(x, mask)]
    while len(masks) < levels:
        masks.append(every(masks[-1], 2))
    return [*masks]
