"""The feed-forward layer of a transformer block."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import linear


class Gelu(nn.Module):
    """``W2 gelu(W1 x)`` (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""

    def __init__(self, width: int, hidden: int, gain: float) -> None:
        super().__init__()
        self.inner = linear(width, hidden)
        self.outer = linear(hidden, width, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(F.gelu(self.inner(x)))


class SwiGLU(nn.Module):
    """``W3 (silu(W1 x) * W2 x)`` (Shazeer 2020, arXiv:2002.05202, Eq. 6)."""

    def __init__(self, width: int, hidden: int, gain: float) -> None:
        super().__init__()
        self.inner = linear(width, 2 * hidden)
        self.outer = linear(hidden, width, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.inner(x).chunk(2, -1)
        return self.outer(F.silu(gate) * value)


def feedforward(kind: str, width: int, expansion: float, gain: float = 1.0) -> nn.Module:
    """A layer with ``2 expansion width^2`` weights, whichever kind it is of.

    Args:
        gain: of its last matrix; 0 for a branch that starts as nothing.
    """
    if kind == "swiglu":  # three matrices instead of two; hidden widths are multiples of 8
        return SwiGLU(width, max(8, round(expansion * width * 2 / 3 / 8) * 8), gain)
    return Gelu(width, round(expansion * width), gain)
