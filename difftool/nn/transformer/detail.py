"""Convolutions at full resolution around a transformer: what a patch looks like close by.

Chen et al. 2025, arXiv:2511.18822 (a convolutional head behind the transformer in pixel space), and
Xiao et al. 2021, arXiv:2106.14881 (convolutions before it).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import CONVOLUTIONS, initialise, masked


class Detail(nn.Module):
    """Features of each position, from its neighbours; and the prediction, from them and the tokens.

    Tokens say what is in a patch, and scale and shift the features of its positions. The last
    convolution sees beyond the patch, so that there are no seams.

    Args:
        inputs, outputs: channels of the example with its further ones, and of the prediction.
        width: channels of the features.
        axes: of the grid.
        within: a convolution does not reach along the first axis, whose later slices are not seen.
    """

    def __init__(self, inputs: int, outputs: int, width: int, axes: int, within: bool) -> None:
        super().__init__()
        kernel = tuple(1 if within and axis == 0 else 3 for axis in range(axes))

        def convolution(inputs: int, outputs: int, gain: float = 1.0) -> nn.Module:
            padding = tuple(side // 2 for side in kernel)
            layer = CONVOLUTIONS[axes](inputs, outputs, kernel, padding=padding)  # type: ignore[arg-type]
            return initialise(layer, gain)

        self.stem = convolution(inputs, width)
        self.inner = convolution(width, width)
        self.head = convolution(width, outputs, gain=0)

    def enter(self, x: Tensor) -> Tensor:
        """``x [b, inputs, ...]``, with zeros on padding, ``-> [b, width, ...]``."""
        return F.silu(self.stem(x))

    def leave(self, features: Tensor, told: Tensor, real: Tensor | None) -> Tensor:
        """The prediction ``[b, outputs, ...]``.

        Args:
            features: what ``enter`` returned.
            told: ``[b, 2 width, ...]``, what the tokens say of each position.
            real: ``[b, 1, ...]``, True on real positions.
        """
        scale, shift = told.chunk(2, 1)
        h = torch.addcmul(shift, features.to(told.dtype), 1 + scale)
        h = h + F.silu(self.inner(masked(F.silu(h), real)))
        return self.head(masked(h, real))
