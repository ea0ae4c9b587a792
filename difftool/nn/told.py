"""Numbers beside the noise level that a network is told, such as the level where a step ends."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .embedding import Fourier
from .layers import linear

WIDTH = 128
"""Width of the global vector of a network that has no conditions."""


class Told(nn.Module):
    """``[b] -> [b, width]``, for the global vector: a smooth function of a number of order one.

    It is zero at first. So a network that starts from a trained one, which was told nothing, starts
    as that one.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = Fourier(64, high=30.0)
        self.inner = linear(64, width)
        self.outer = linear(width, width, gain=0)

    def forward(self, value: Tensor) -> Tensor:
        return self.outer(F.silu(self.inner(self.features(value))))


def level_as_number(sigma: Tensor, sigma_data: float) -> Tensor:
    """A noise level from 0 on as a number from 0 to 1: flow time of data of unit variance."""
    return sigma / (sigma + sigma_data)


def scale_as_number(scale: Tensor) -> Tensor:
    """A scale of guidance as a number of order one; 0 for no guidance."""
    return torch.log(scale.clamp_min(0.1))
