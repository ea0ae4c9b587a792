"""The condition on a number."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from ..nn.embedding import Fourier
from ..nn.layers import linear
from .columns import NumberColumn
from .options import NumberOptions


class Number(Conditioner):
    """``[b]`` float -> a smooth function of the number, standardised by the data's mean and std.

    NaN is null, which has its own vector.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, options: NumberOptions, column: NumberColumn) -> None:
        super().__init__()
        self.vector, self.dropout = options.width, options.dropout
        self.register_buffer("mean", torch.tensor(column.mean), persistent=False)
        self.register_buffer("std", torch.tensor(column.std or 1.0), persistent=False)
        self.features = Fourier(64, high=30.0)
        self.inner = linear(64, options.width)
        self.outer = linear(options.width, options.width)
        self.open = nn.Parameter(torch.randn(options.width))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, math.nan)

    def forward(self, value: Tensor) -> Signals:
        given = ~value.isnan()
        # a NaN input would make NaN gradients
        standard = (value.where(given, self.mean) - self.mean) / self.std
        h = self.outer(F.silu(self.inner(self.features(standard))))
        return Signals(h.where(given.unsqueeze(-1), self.open.to(h.dtype)))
