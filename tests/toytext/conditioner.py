"""Captions as tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from difftool import Conditioner, Frozen, Signals

from .column import PADDING, CaptionColumn
from .options import CaptionOptions


class Caption(Conditioner):
    """``[b, n]`` bytes -> as many tokens, each a row of a frozen table and a learned place; null is one learned token."""

    def __init__(self, options: CaptionOptions, column: CaptionColumn) -> None:
        super().__init__()
        self.tokens, self.dropout = options.width, options.dropout
        self.table = Frozen(nn.Embedding(256, options.width), options.table, stored=options.stored)
        self.places = nn.Parameter(torch.randn(column.length, options.width))
        self.open = nn.Parameter(torch.randn(options.width))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, PADDING)

    def forward(self, value: Tensor) -> Signals:
        mask = value != PADDING
        tokens = self.table(value.clamp_min(0)) + self.places
        closed = ~mask.any(1, keepdim=True)
        first = torch.arange(value.shape[1], device=value.device) == 0
        return Signals(
            tokens=torch.where((closed & first).unsqueeze(-1), self.open, tokens),
            token_mask=mask | (closed & first),
        )
