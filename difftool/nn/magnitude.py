"""Layers that preserve the magnitude of activations (Karras et al. 2024, arXiv:2312.02696, sec. 2).

Where each input has a root mean square of one and inputs are not correlated, so has each output.
There is no bias and no normalisation by group, and weights are kept at unit length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-4
CONVOLUTIONS = {0: F.linear, 1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def pixel_norm(x: Tensor, axis: int = 1) -> Tensor:
    """``x`` over its root mean square along one axis (Eq. 30)."""
    size = x.float().square().mean(axis, keepdim=True).sqrt()
    return x / (EPS + size).to(x.dtype)


def mp_silu(x: Tensor) -> Tensor:
    """``silu(x) / 0.596``: a unit normal input keeps its root mean square (Eq. 81)."""
    return F.silu(x) / 0.596


def mp_sum(a: Tensor, b: Tensor, t: float) -> Tensor:
    """A mixture, ``t`` of it ``b``, with the root mean square of its parts (Eq. 88)."""
    return torch.lerp(a, b.to(a.dtype), t) / math.hypot(1 - t, t)


def mp_cat(a: Tensor, b: Tensor, t: float = 0.5) -> Tensor:
    """Both side by side along axis 1, scaled so that each counts for its share (Eq. 103)."""
    n, m = a.shape[1], b.shape[1]
    whole = math.sqrt((n + m) / ((1 - t) ** 2 + t**2))
    return torch.cat((a * (whole / math.sqrt(n) * (1 - t)), b * (whole / math.sqrt(m) * t)), 1)


class MPLayer(nn.Module):
    """A linear layer or a convolution whose output channels all have weights of unit length.

    Forced weight normalisation (sec. 2.3): the length is divided out in every evaluation, so a
    gradient has no part along the weights, and is set back after every step by ``force``, so that
    the weights do not grow.

    Args:
        dimension: axes of the convolution; 0 for a linear layer.
        kernel: odd; sizes stay as they are.
    """

    unit_weights = True
    """Entries have a root mean square of one whatever the number of inputs, as ``muon`` must know."""

    def __init__(self, dimension: int, inputs: int, outputs: int, kernel: int = 1) -> None:
        super().__init__()
        self.dimension = dimension
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *(kernel,) * dimension))
        self.force()

    def forward(self, x: Tensor, gain: float | Tensor = 1.0) -> Tensor:
        fan_in = self.weight[0].numel()
        weight = (normalised(self.weight) * (gain / math.sqrt(fan_in))).to(x.dtype)
        if not self.dimension:
            return F.linear(x, weight)
        padding = self.weight.shape[-1] // 2
        return CONVOLUTIONS[self.dimension](x, weight, padding=padding)  # type: ignore[operator]

    @torch.no_grad()
    def force(self) -> None:
        """Set the root mean square of the weights of each output channel to one (Alg. 1).

        Where the weights are sharded, a device does so for its own channels, which are whole.
        """
        weight: Tensor = self.weight
        weight = weight.to_local() if hasattr(weight, "to_local") else weight
        weight.copy_(normalised(weight))


def normalised(weight: Tensor) -> Tensor:
    """Weights ``[outputs, ...]`` with a root mean square of one for each output (Eq. 47)."""
    size = weight.flatten(1).square().mean(1).sqrt()
    return weight / (EPS + size).reshape(-1, *(1,) * (weight.ndim - 1))


def force(modules: Iterable[nn.Module]) -> None:
    """``MPLayer.force`` for each such layer."""
    for module in modules:
        if isinstance(module, MPLayer):
            module.force()
