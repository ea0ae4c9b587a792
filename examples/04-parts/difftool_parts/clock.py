"""A conditioner: the time of day to a vector."""

import math

import torch
from torch import nn

from difftool import Conditioner, Signals, linear


class Clock(Conditioner):
    """``[b]`` minutes -> a vector, which is the same at 0:00 and 24:00; null has its own vector."""

    def __init__(self, options, column):
        super().__init__()
        self.vector, self.dropout = options.width, options.dropout
        self.layer = linear(4, options.width)
        self.open = nn.Parameter(torch.randn(options.width))

    def null(self, value):
        return torch.full_like(value, math.nan)

    def forward(self, value):
        turn = value.nan_to_num() * (2 * math.pi / (24 * 60))
        hand = torch.stack([turn.cos(), turn.sin(), (2 * turn).cos(), (2 * turn).sin()], -1)
        return Signals(torch.where(value.isnan()[:, None], self.open, self.layer(hand)))
