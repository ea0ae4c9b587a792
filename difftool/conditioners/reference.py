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

    Of tokens ``[b, n, d]``, a linear map of each for cross-attention, and one of their mean (Ye et
    al. 2023, arXiv:2308.06721). Null is one learned token, and a learned vector.

    Embeddings of CLIP and CLAP are compared by their direction only.
    """

    def __init__(self, options: ReferenceOptions, column: ReferenceColumn) -> None:
        super().__init__()
        *sequence, width = column.shape
        self.vector, self.dropout = options.width, options.dropout
        self.project = linear(width, options.width)
        self.open = nn.Parameter(torch.randn(options.width))
        self.tokens = options.token_width if sequence else 0
        if self.tokens:
            self.project_token = linear(width, options.token_width)
            self.open_token = nn.Parameter(torch.randn(options.token_width))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, torch.nan)

    def forward(self, value: Tensor) -> Signals:
        missing = value.flatten(1).isnan().any(1, keepdim=True)
        given = value.nan_to_num()
        whole = direction(given.mean(1) if self.tokens else given)
        vector = torch.where(missing, self.open, self.project(whole))
        if not self.tokens:
            return Signals(vector)
        first = torch.arange(value.shape[1], device=value.device) == 0
        open_ = missing & first
        tokens = torch.where(
            open_.unsqueeze(-1), self.open_token, self.project_token(direction(given))
        )
        return Signals(vector, tokens, token_mask=~missing | open_)


def direction(x: Tensor) -> Tensor:
    """``[..., d]`` with a root mean square of 1."""
    return F.normalize(x, dim=-1) * math.sqrt(x.shape[-1])
