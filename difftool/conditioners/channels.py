"""Conditions that are further input channels."""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from .columns import ChannelsColumn
from .options import ChannelsOptions


class Channels(Conditioner):
    """``[b, width, ...]`` float, at the positions of x -> further input channels; null is zero."""

    def __init__(self, options: ChannelsOptions, column: ChannelsColumn) -> None:
        super().__init__()
        self.channels, self.dropout = column.width, options.dropout

    def null(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value)

    def forward(self, value: Tensor) -> Signals:
        return Signals(channels=value)
