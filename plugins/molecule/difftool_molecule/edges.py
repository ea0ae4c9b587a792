"""A network on every pair of points: two layers.

The first layer never builds a tensor of all pairs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import chunked
from .chunked import Layers
from .pairs import Company

LENGTHS = 2  # the squared distance now, and that before the first block


class Edges(nn.Module):
    """silu(W2 silu(W1 [h_i, h_j, d_ij])), for all pairs.

    W1 [h_i, h_j, d_ij] = W_i h_i + W_j h_j + W_d d_ij: matrix products over points, not over pairs,
    are half of the arithmetic saved. The rest keeps one tensor of all pairs for the way back
    (``chunked``). A compiler gets formulas that have one product over pairs; it fuses all else into
    what that product reads and into what is read from it.
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
        if not by_formulas():
            return chunked.gathered(layers, others, gate, there.extents)
        hidden = _hidden(layers)
        gates = 1.0 if gate is None else (_read(hidden, gate.weight)[..., 0] + gate.bias).sigmoid()
        return ((gates * others).to(hidden.dtype).unsqueeze(-1) * hidden).sum(2)

    def read_out(self, h: Tensor, lengths: Tensor, there: Company, readout: nn.Linear) -> Tensor:
        """A linear function of it, without bias, ``[b, n, n, o]``; of pairs with padding, anything."""
        layers = self._layers(h, lengths)
        if not by_formulas():
            return chunked.read_out(layers, readout, there.extents)
        return _read(_hidden(layers), readout.weight).to(layers.start.dtype)

    def _layers(self, h: Tensor, lengths: Tensor) -> Layers:
        """The two layers, all in the precision that matrix products are computed in."""
        width = self.second.in_features
        to_start, to_end, along = self.first.weight.split((width, width, LENGTHS), 1)
        start, end = F.linear(h, to_start, self.first.bias), F.linear(h, to_end)
        rest = (lengths, along.contiguous(), self.second.weight, self.second.bias)
        return Layers(start, end, *(t.to(start.dtype) for t in rest))


def by_formulas() -> bool:
    """Whether the plain formulas are computed: for compilers, and for derivatives of other kinds."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def _hidden(layers: Layers) -> Tensor:
    """``[b, n, n, f]``."""
    one, other = (layers.lengths[..., i, None] * layers.along[:, i] for i in range(LENGTHS))
    inner = layers.start[:, :, None] + layers.end[:, None] + one + other
    return F.silu(F.linear(F.silu(inner), layers.weight, layers.bias))


def _read(hidden: Tensor, weight: Tensor) -> Tensor:
    """``hidden [..., f]`` times the few rows of ``weight [o, f]``, as sums that can be fused."""
    return torch.stack([(hidden * row).sum(-1) for row in weight], -1)
