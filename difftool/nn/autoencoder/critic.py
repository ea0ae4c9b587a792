"""The critic: it tells examples from reconstructions, patch by patch."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import conv, masked
from .norm import LocalNormActivation
from .options import CriticOptions
from .resample import Shrink

MOST = 8
"""Largest multiple of the first width."""


class Critic(nn.Module):
    """``[b, channels, ...] -> [b, 1, ...]``: a logit for each patch, above 0 for an example.

    The patch discriminator of Isola et al. 2017, arXiv:1611.07004, App. 6.1.2, in one to three
    dimensions.
    """

    def __init__(self, options: CriticOptions, channels: int, dimension: int) -> None:
        super().__init__()
        widths = [
            options.critic_channels * min(MOST, 2**i) for i in range(options.critic_layers + 1)
        ]
        self.stem = conv(dimension, channels, widths[0])
        self.layers = nn.ModuleList(
            Shrink(before, after, (2,) * dimension) for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(LocalNormActivation(width) for width in widths[1:])
        self.head = conv(dimension, widths[-1], 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        h = F.silu(self.stem(masked(x, mask)))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = norm(layer(h, None))
        return self.head(h)


def hinge(example: Tensor, made: Tensor) -> Tensor:
    """``[b]``: the critic's loss, of its logits (Lim & Ye 2017, arXiv:1705.02894)."""
    return 0.5 * (F.relu(1 - example) + F.relu(1 + made)).flatten(1).mean(1)
