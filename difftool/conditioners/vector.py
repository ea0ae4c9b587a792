"""The condition on a vector."""

from __future__ import annotations

import torch
from torch import Tensor

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from ..nn.layers import linear
from .columns import VectorColumn
from .options import VectorOptions


class Vector(Conditioner):
    """``[b, width]`` float -> a linear function without bias.

    Null is the zero vector and adds nothing (Karras et al. 2022, App. F.2).
    """

    def __init__(self, options: VectorOptions, column: VectorColumn) -> None:
        super().__init__()
        self.vector, self.dropout = options.width, options.dropout
        self.project = linear(column.width, options.width, bias=False)

    def null(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value)

    def forward(self, value: Tensor) -> Signals:
        return Signals(self.project(value))
