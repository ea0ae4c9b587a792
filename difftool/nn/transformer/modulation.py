"""adaLN-Zero: the noise level scales, shifts and gates each branch of a block.

Peebles & Xie 2023, arXiv:2212.09748, sec. 3.2. Everything starts at zero, so that a new block is
the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers import linear


class Modulation(nn.Module):
    """An embedding -> vectors for one block.

    Args:
        embedding: width of the embedding.
        count: number of vectors, each ``[b, 1, width]``.
        shared: the embedding already holds all vectors, made once for all blocks; the block only
            adds learned ones (adaLN-single; Chen et al. 2023, arXiv:2310.00426, sec. 2.3).
    """

    def __init__(self, embedding: int, width: int, count: int, shared: bool = False) -> None:
        super().__init__()
        self.count = count
        self.linear = None if shared else linear(embedding, count * width, gain=0)
        self.table = nn.Parameter(torch.zeros(count * width)) if shared else None

    @torch.no_grad()
    def start(self, gates: Sequence[int]) -> None:
        """Set the learned vectors with these numbers to one."""
        assert self.table is not None
        for i in gates:
            self.table.chunk(self.count)[i].fill_(1.0)

    def forward(self, embedding: Tensor) -> tuple[Tensor, ...]:
        if self.linear is not None:
            vectors = self.linear(embedding)
        else:
            assert self.table is not None
            vectors = embedding + self.table
        return vectors.unsqueeze(1).chunk(self.count, -1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``x (1 + scale) + shift``."""
    return torch.addcmul(shift, x, 1 + scale)
