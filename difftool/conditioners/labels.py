"""The condition on several labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from .columns import NULL_LABEL, LabelsColumn
from .options import LabelsOptions


class Labels(Conditioner):
    """``[b, names]`` float, 1 for each present label -> the sum of their learned vectors.

    Null has its own vector.
    """

    grows = ("rows",)

    def __init__(self, options: LabelsOptions, column: LabelsColumn) -> None:
        super().__init__()
        self.vector, self.dropout = options.width, options.dropout
        self.rows = nn.Parameter(torch.randn(len(column.names), options.width))
        self.open = nn.Parameter(torch.randn(options.width))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, NULL_LABEL)

    def forward(self, value: Tensor) -> Signals:
        total = value @ self.rows
        return Signals(total.where(value[:, :1] != NULL_LABEL, self.open.to(total.dtype)))
