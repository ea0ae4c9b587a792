"""The condition on one label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from .columns import NULL_LABEL, LabelColumn
from .options import LabelOptions


class Label(Conditioner):
    """``[b]`` int64 -> a learned vector for each label, and one for null.

    Ho & Salimans 2022, arXiv:2207.12598.
    """

    grows = ("rows.weight",)

    def __init__(self, options: LabelOptions, column: LabelColumn) -> None:
        super().__init__()
        self.vector, self.dropout = options.width, options.dropout
        self.rows = nn.Embedding(len(column.names) + 1, options.width)

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, NULL_LABEL)

    def forward(self, value: Tensor) -> Signals:
        return Signals(self.rows(value - NULL_LABEL))  # null is row 0
