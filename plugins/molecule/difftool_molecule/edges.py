"""A network on every pair of points: two layers.

The first layer never builds a tensor of all pairs.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from . import chunked
from .chunked import Layers
from .pairs import Company

LENGTHS = 2  # the squared distance now, and that before the first block


class Edges(nn.Module):
    """silu(W2 silu(W1 [h_i, h_j, d_ij])), for all pairs.

    W1 [h_i, h_j, d_ij] = W_i h_i + W_j h_j + W_d d_ij: matrix products over points, not over pairs,
    are half of the arithmetic saved. On a CPU the rest is done for a few examples at a time, which
    stay in the processor's cache (``chunked``).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * width + LENGTHS, width)
        self.second = nn.Linear(width, width)

    def gathered(
        self, h: Tensor, lengths: Tensor, there: Company, gate: nn.Linear | None
    ) -> Tensor:
        """Its sum over the others of each point, every pair times its gate: ``h [b, n, f]``,
        ``lengths [b, n, n, 2]`` -> ``[b, n, f]``.
        """
        layers = self._layers(h, lengths)
        others = there.others.to(layers.start.dtype)
        if there.extents is not None:
            return chunked.gathered(layers, others, gate, there.extents)
        hidden = _hidden(layers)
        weight = others if gate is None else gate(hidden).squeeze(-1).sigmoid() * others
        return (weight.unsqueeze(2) @ hidden).squeeze(2)

    def read_out(self, h: Tensor, lengths: Tensor, there: Company, readout: nn.Linear) -> Tensor:
        """A linear function of it, without bias, ``[b, n, n, o]``; of pairs with padding, anything."""
        layers = self._layers(h, lengths)
        if there.extents is not None:
            return chunked.read_out(layers, readout, there.extents)
        return readout(_hidden(layers))

    def _layers(self, h: Tensor, lengths: Tensor) -> Layers:
        """The two layers, all in the precision that matrix products are computed in."""
        width = self.second.in_features
        to_start, to_end, along = self.first.weight.split((width, width, LENGTHS), 1)
        start, end = F.linear(h, to_start, self.first.bias), F.linear(h, to_end)
        rest = (lengths, along.contiguous(), self.second.weight, self.second.bias)
        return Layers(start, end, *(t.to(start.dtype) for t in rest))


def _hidden(layers: Layers) -> Tensor:
    """``[b, n, n, f]``."""
    inner = layers.start[:, :, None] + layers.end[:, None] + F.linear(layers.lengths, layers.along)
    return F.silu(F.linear(F.silu(inner), layers.weight, layers.bias))
