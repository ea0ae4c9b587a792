"""The residual block of the U-Net, and the changes of resolution between its levels."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .layers import conv, masked, upsample
from .norm import NormActivation


class Block(nn.Module):
    """A residual block of two convolutions (He et al. 2016, arXiv:1512.03385), then attention.

    The embedding modulates the input of the second convolution (FiLM). That convolution starts at
    zero, so a new network is the sum of its skips.

    Args:
        embedding: width of the embedding; 0 for a network without one.
        norm: makes the normalisation of so many channels, with its activation.
        attentions: applied in order after the sum.
    """

    def __init__(
        self,
        dimension: int,
        inputs: int,
        outputs: int,
        embedding: int,
        dropout: float,
        skip_scale: float,
        attentions: list[Attention],
        norm: Callable[[int], nn.Module] = NormActivation,
    ) -> None:
        super().__init__()
        self.norm1 = norm(inputs)
        self.conv1 = conv(dimension, inputs, outputs)
        self.film = nn.Linear(embedding, 2 * outputs) if embedding else None
        self.norm2 = norm(outputs)
        self.conv2 = conv(dimension, outputs, outputs, gain=0)
        self.skip = (
            conv(dimension, inputs, outputs, kernel=1) if inputs != outputs else nn.Identity()
        )
        self.attentions = nn.ModuleList(attentions)
        self.dropout, self.skip_scale = dropout, skip_scale

    def forward(
        self,
        x: Tensor,
        embedding: Tensor | None,
        tokens: Tensor | None,
        mask: Tensor | None,
        token_mask: Tensor | None = None,
    ) -> Tensor:
        h = self.conv1(self.norm1(x, mask=mask))
        h = self.norm2(h, self.film(embedding) if self.film is not None else None, mask)
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        # in place: the backward pass of a convolution does not need its output
        h = self.conv2(h).add_(self.skip(x))
        if self.skip_scale != 1:
            h = h.mul_(self.skip_scale)
        for attention in self.attentions:
            h = attention(h, tokens, mask, token_mask)
        return h


class Down(nn.Module):
    """To the next level: its width, and 1 / ``factor`` of the positions, rounded up.

    The kernel covers every position between two strides.
    """

    def __init__(self, dimension: int, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.conv = conv(dimension, inputs, outputs, kernel=2 * factor - 1, stride=factor)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.conv(masked(x, mask))


class Up(nn.Module):
    """To the level above: its width and its ``sizes``.

    The convolution runs before the repetition, where positions are few; the block that follows
    smooths. Sub-pixel convolution (Shi et al. 2016, arXiv:1609.05158) was tried for a factor of 4
    and improved nothing (benchmarks/audio_step.md).
    """

    def __init__(self, dimension: int, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = conv(dimension, inputs, outputs, kernel=1)

    def forward(self, x: Tensor, sizes: torch.Size, mask: Tensor | None) -> Tensor:
        return upsample(masked(self.conv(x), mask), self.factor, sizes)
