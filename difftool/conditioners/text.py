"""The condition on a text: a small transformer encoder that is trained along."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from ..nn.layers import linear
from ..nn.transformer.attention import TokenAttention, heads_of, keys
from ..nn.transformer.feedforward import feedforward
from ..nn.transformer.norm import RMSNorm
from .options import TextOptions
from .text_column import PADDING, TextColumn
from .weighted import LOWER, SHIFT, UNIT


class Layer(nn.Module):
    """x + attention(norm x), then x + feedforward(norm x) (Vaswani et al. 2017, normalised first)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(width, scale=True), RMSNorm(width, scale=True)
        self.attention = TokenAttention(width, heads, qk_norm=True, value_residual=False)
        self.feedforward = feedforward("gelu", width, 4)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """``x [b, n, width]`` -> like ``x``; ``seen [b, 1, 1, n]``, True for real tokens."""
        x = x + self.attention(self.norm1(x), None, None, seen)
        return x + self.feedforward(self.norm2(x))


class Text(Conditioner):
    """``[b, n]`` int64 tokens -> a sequence for cross-attention, and its mean as one vector.

    Null is one learned token. The vector steers networks without cross-attention. A weighted token
    counts so many times in both (``weighted``).
    """

    grows = ("table.weight",)

    def __init__(self, options: TextOptions, column: TextColumn) -> None:
        super().__init__()
        width = options.token_width
        self.vector, self.dropout = options.width, options.dropout
        self.tokens = width if options.tokens else 0
        self.table = nn.Embedding(max(1, column.size), width)
        # as large as the tokens: which word belongs to which is seen from the first step
        self.places = nn.Parameter(torch.randn(max(1, column.length), width))
        self.open = nn.Parameter(torch.randn(width))
        heads = heads_of(width, min(64, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(options.layers))
        self.norm = RMSNorm(width, scale=True)
        # the mean of n tokens of unit size has the size 1 / sqrt(n)
        self.pooled = linear(width, options.width, gain=math.sqrt(max(1, column.length)))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, PADDING)

    def forward(self, value: Tensor) -> Signals:
        mask = value != PADDING
        first = torch.arange(value.shape[1], device=value.device) == 0
        open_ = ~mask.any(1, keepdim=True) & first  # the one token of an open text
        mask = mask | open_
        weight, value = _weights(value), (value & LOWER).where(value != PADDING, 0)
        x = torch.where(open_.unsqueeze(-1), self.open, self.table(value))
        x = x + self.places
        for layer in self.layers:
            x = layer(x, keys(mask))
        x = self.norm(x) * weight
        real = mask.unsqueeze(-1).to(x.dtype)
        vector = self.pooled((x * real).sum(1) / real.sum(1))
        if not self.tokens:
            return Signals(vector)
        return Signals(vector, x, token_mask=mask)


def _weights(value: Tensor) -> Tensor:
    """``[b, n]`` tokens with their weights -> the weights ``[b, n, 1]``; 1 where there is none."""
    upper = (value >> SHIFT).unsqueeze(-1)
    return torch.where(upper > 0, (upper - 1) / UNIT, 1.0)
