"""The embedding of the noise level and of the global conditions, as one vector."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import linear


class Fourier(nn.Module):
    """``[b] -> [b, width]``: cosines and sines of geometrically spaced frequencies.

    Vaswani et al. 2017, arXiv:1706.03762, sec. 3.5.

    Args:
        low, high: the lowest and the highest frequency, in radians per unit of the value, which is
            of order one.
    """

    frequencies: Tensor

    def __init__(self, width: int, low: float = 0.1, high: float = 100.0) -> None:
        super().__init__()
        frequencies = torch.logspace(
            math.log10(low), math.log10(high), width // 2, dtype=torch.float64
        )
        self.register_buffer("frequencies", frequencies.float(), persistent=False)

    def forward(self, value: Tensor) -> Tensor:
        phase = value.float().unsqueeze(-1) * self.frequencies
        return torch.cat((phase.cos(), phase.sin()), -1).mul(math.sqrt(2))


def fourier_features(x: Tensor, count: int) -> Tensor:
    """``[b, c, ...] -> [b, 2 c count, ...]``: ``sin(2^n pi x)`` and ``cos(2^n pi x)`` for n = 0
    to ``count`` - 1.

    A network that normalises cannot tell a flat part that is slightly too light from a correct one.
    These features can (Kingma et al. 2021, arXiv:2107.00630, on Fourier features for fine detail).
    """
    # half precision cannot represent the higher phases
    phases = torch.cat([2**n * math.pi * x.float() for n in range(count)], 1)
    return torch.cat((phases.sin(), phases.cos()), 1).to(x.dtype)


class NoiseEmbedding(nn.Module):
    """``(c_noise [b], vector [b, vector] or None) -> [b, width]``: the input of every FiLM layer.

    Args:
        width: width of the embedding.
        vector: width of the global signal; 0 if there is none.
        features: number of cosines and sines of the noise level.
    """

    def __init__(self, width: int, vector: int = 0, features: int = 128) -> None:
        super().__init__()
        self.features = Fourier(features)
        self.inner = linear(2 * (features // 2), width)
        self.outer = linear(width, width)
        self.vector = linear(vector, width, bias=False) if vector else None

    def forward(self, c_noise: Tensor, vector: Tensor | None) -> Tensor:
        h = self.outer(F.silu(self.inner(self.features(c_noise))))
        if self.vector is not None:
            h = h + self.vector(vector)
        return F.silu(h)
