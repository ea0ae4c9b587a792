"""Rotary positions (Su et al. 2021, arXiv:2104.09864), along several axes.

Each axis turns its own share of the channels (Heo et al. 2024, arXiv:2403.13298, sec. 3.1). A score
then depends on differences of coordinates only, so sizes that were not trained on can be sampled.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Rotary(nn.Module):
    """Coordinates -> the turn of each pair of a head's channels.

    Args:
        head_width: channels of a head, even; pairs that the axes cannot share out do not turn.
        axes: number of coordinates of a position.
        theta: the slowest pair turns by ``1 / theta`` per unit, the fastest by one radian.
    """

    frequencies: Tensor

    def __init__(self, head_width: int, axes: int, theta: float) -> None:
        super().__init__()
        count = head_width // 2 // axes
        self.idle = head_width // 2 - count * axes
        powers = torch.arange(count, dtype=torch.float64) / max(1, count)
        self.register_buffer("frequencies", (theta**-powers).float(), persistent=False)

    def forward(self, coordinates: Tensor) -> Tensor:
        """``[..., n, axes] -> [..., n, head_width / 2]``, radians."""
        angles = (coordinates.unsqueeze(-1) * self.frequencies).flatten(-2)
        return nn.functional.pad(angles, (0, self.idle))


def turns(angles: Tensor) -> Tensor:
    """Angles ``[..., n, pairs]`` -> their cosines and sines ``[..., n, pairs, 2]``."""
    return torch.stack((angles.cos(), angles.sin()), -1)


def turned(angles: Tensor, prefix: int) -> Tensor:
    """``turns`` of ``[n, pairs]`` or ``[b, n, pairs]``, after a prefix without positions.

    Those of single examples have an axis for their heads: ``[b, 1, prefix + n, pairs, 2]``.
    """
    padded = nn.functional.pad(angles, (0, 0, prefix, 0))
    return turns(padded if angles.ndim == 2 else padded.unsqueeze(1))


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """``x [..., n, 2 pairs]``, each pair of neighbours turned by ``turn [..., n, pairs, 2]``.

    A product of complex numbers is three times faster on a CPU; compilers do not know it.
    """
    pairs = x.unflatten(-1, (-1, 2))
    if x.device.type == "cpu" and x.dtype == torch.float32 and not torch.compiler.is_compiling():
        product = torch.view_as_complex(pairs) * torch.view_as_complex(turn)
        return torch.view_as_real(product).flatten(-2)
    a, b = pairs.unbind(-1)
    cos, sin = turn.to(x.dtype).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def sinusoids(coordinates: Tensor, width: int) -> Tensor:
    """``[..., n, axes] -> [..., n, width]``: sines and cosines of each coordinate, side by side.

    Vaswani et al. 2017, arXiv:1706.03762, sec. 3.5, with wavelengths of 2 pi to 20,000 pi. Channels
    that the axes cannot share out are zero.
    """
    axes = coordinates.shape[-1]
    count = width // (2 * axes)
    steps = torch.arange(count, device=coordinates.device, dtype=torch.float32) / max(1, count)
    phases = coordinates.unsqueeze(-1) * torch.exp(-math.log(10_000) * steps)
    features = torch.cat((phases.sin(), phases.cos()), -1).flatten(-2)
    return nn.functional.pad(features, (0, width - features.shape[-1]))
