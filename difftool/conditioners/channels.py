"""Channels beside x."""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditioner import Conditioner
from ..description import Condition
from ..nn.backbone import Signals
from .options import ChannelsOptions


class Channels(Conditioner):
    """``[b, width, ...]`` float, at the positions of x -> the same, laid beside x; null is zero everywhere."""

    def __init__(self, options: ChannelsOptions, condition: Condition) -> None:
        super().__init__()
        self.channels, self.dropout = condition.width, options.dropout

    def null(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value)

    def forward(self, value: Tensor) -> Signals:
        return Signals(channels=value)
