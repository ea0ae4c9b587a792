"""The condition on a file by its embedding: a picture, a sound or a clip that samples shall be like."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..conditioner import Conditioner
from ..nn.backbone import Signals
from ..nn.layers import linear
from .file_column import ReferenceColumn
from .options import ReferenceOptions


class Reference(Conditioner):
    """``[b, d]`` float32, the embedding -> a linear map of its direction; null is learned.

    Embeddings of CLIP and CLAP are compared by their direction only.
    """

    def __init__(self, options: ReferenceOptions, column: ReferenceColumn) -> None:
        super().__init__()
        (width,) = column.shape
        self.vector, self.dropout = options.width, options.dropout
        self.scale = math.sqrt(width)
        self.project = linear(width, options.width)
        self.open = nn.Parameter(torch.randn(options.width))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, torch.nan)

    def forward(self, value: Tensor) -> Signals:
        missing = value.isnan().any(1, keepdim=True)
        unit = F.normalize(value.nan_to_num(), dim=1) * self.scale
        return Signals(torch.where(missing, self.open, self.project(unit)))
