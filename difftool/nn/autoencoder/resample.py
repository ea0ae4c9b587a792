"""From one level of an autoencoder to the next, by any factor along each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import CONVOLUTIONS, conv, initialise, masked, unpatchify

Method = Literal["resize", "transposed", "shuffle"]

TRANSPOSED: dict[int, type[nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}


class Shrink(nn.Module):
    """A convolution that keeps one of ``factors`` positions along each axis, rounded up.

    The kernel covers every position between two strides.
    """

    def __init__(self, inputs: int, outputs: int, factors: Sequence[int]) -> None:
        super().__init__()
        kernel = tuple(2 * f - 1 for f in factors)
        layer = CONVOLUTIONS[len(factors)](
            inputs,
            outputs,
            kernel,  # type: ignore[arg-type]  # as many sizes as axes
            tuple(factors),  # type: ignore[arg-type]
            tuple(f - 1 for f in factors),  # type: ignore[arg-type]
        )
        self.conv = initialise(layer)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.conv(masked(x, mask))


class Enlarge(nn.Module):
    """Makes ``factors`` positions of each one along each axis.

    ``resize`` repeats positions after a convolution of kernel 1, and the block that follows
    smooths (Odena et al. 2016). ``shuffle`` is the sub-pixel convolution of Shi et al. 2016,
    arXiv:1609.05158. ``transposed`` has a kernel of two strides, so that all positions are made of
    equally many.

    Args:
        causal: the first axis is time, and its first position becomes one position only.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        factors: Sequence[int],
        method: Method,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.factors, self.method, self.causal = tuple(factors), method, causal
        d = len(self.factors)
        if method == "resize":
            self.conv = conv(d, inputs, outputs, kernel=1)
        elif method == "shuffle":
            self.conv = conv(d, inputs, outputs * math.prod(self.factors))
        else:
            self.conv = _transposed(inputs, outputs, self.factors, causal)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        h = self.conv(masked(x, mask))
        sizes = [n * f for n, f in zip(x.shape[2:], self.factors, strict=True)]
        if self.method == "resize":
            h = F.interpolate(h, size=sizes)
        elif self.method == "shuffle":
            h = unpatchify(h, self.factors, torch.Size(sizes))
        # latent 0 is the first frame alone, latent j ends with frame j * factor
        return h[:, :, self.factors[0] - 1 :] if self.causal else h


def _transposed(inputs: int, outputs: int, factors: Sequence[int], causal: bool) -> nn.Module:
    """A transposed convolution that multiplies sizes by ``factors`` exactly.

    Over time its kernel is one stride long if it is causal, so that no position sees the next.
    """
    single = [f == 1 or (causal and axis == 0) for axis, f in enumerate(factors)]
    kernel = [f if one else 2 * f for f, one in zip(factors, single, strict=True)]
    padding = [0 if one else (f + 1) // 2 for f, one in zip(factors, single, strict=True)]
    added = [0 if one else f % 2 for f, one in zip(factors, single, strict=True)]
    layer = TRANSPOSED[len(factors)](
        inputs,
        outputs,
        tuple(kernel),  # type: ignore[arg-type]  # as many sizes as axes
        tuple(factors),  # type: ignore[arg-type]
        tuple(padding),  # type: ignore[arg-type]
        tuple(added),  # type: ignore[arg-type]
    )
    # each output is a sum over the inputs' channels and over kernel / stride positions
    terms = inputs * math.prod(k / f for k, f in zip(kernel, factors, strict=True))
    with torch.no_grad():
        layer.weight.normal_(std=terms**-0.5)
        assert layer.bias is not None
        layer.bias.zero_()
    return layer
