"""Layer normalisation of each position by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LocalNormActivation(nn.Module):
    """``silu((x - mean) / std * weight + bias)``, over the channels of each position.

    Ba et al. 2016, arXiv:1607.06450. No position sees another, unlike in group
    normalisation. So a decoder has a finite field of view: what it makes in tiles equals what it
    makes as a whole, padding has no influence, and nothing sees a later time.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, film: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """``x [b, c, ...]``, ``mask [b, 1, ...]`` -> like ``x``, with zeros on padding."""
        assert film is None, "an autoencoder has no conditions"
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        # the kernel for the last axis is ten times as fast as one written for the channels
        y = F.layer_norm(x.movedim(1, -1), weight.shape, weight, bias, self.eps).movedim(-1, 1)
        y = F.silu(y)
        return y if mask is None else y * mask.to(y.dtype)
