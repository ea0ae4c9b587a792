"""Layers in any number of dimensions, with one initialisation, and patches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)

CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}


def conv(
    dimension: int, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, gain: float = 1.0
) -> nn.Module:
    """A convolution that multiplies the variance by ``gain`` squared and divides sizes by
    ``stride``.

    Sizes are rounded up.
    """
    layer = CONVOLUTIONS[dimension](inputs, outputs, kernel, stride, kernel // 2)
    return initialise(layer, gain)


def linear(inputs: int, outputs: int, bias: bool = True, gain: float = 1.0) -> nn.Linear:
    """A linear layer, initialised like ``conv``."""
    return initialise(nn.Linear(inputs, outputs, bias), gain)


def initialise(layer: Layer, gain: float = 1.0) -> Layer:
    """The layer with weights that multiply the variance by ``gain`` squared, and no bias."""
    with torch.no_grad():
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear").mul_(gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return layer


def patchify(x: Tensor, side: int | Sequence[int]) -> Tensor:
    """``[b, c, n...] -> [b, c side^d, n/side...]``; pads sizes that ``side`` does not divide
    with zeros. The side may differ from axis to axis.
    """
    sides = _sides(side, x)
    if max(sides) == 1:
        return x
    # -n % side would be shorter, but torch.compile then compiles for one size only
    lacking = [
        (n + side - 1) // side * side - n for n, side in zip(x.shape[2:], sides, strict=True)
    ]
    within, parts, patches, inside = _axes(x.ndim - 2)
    x = F.pad(x, [amount for n in reversed(lacking) for amount in (0, n)])
    lengths = dict(zip(within, sides, strict=True))
    return rearrange(x, f"b c {parts} -> b (c {inside}) {patches}", **lengths)


def unpatchify(x: Tensor, side: int | Sequence[int], sizes: torch.Size) -> Tensor:
    """The inverse of ``patchify``; ``sizes`` are the sizes of the original example."""
    sides = _sides(side, x)
    if max(sides) == 1:
        return x
    within, parts, patches, inside = _axes(x.ndim - 2)
    lengths = dict(zip(within, sides, strict=True))
    return crop(rearrange(x, f"b (c {inside}) {patches} -> b c {parts}", **lengths), sizes)


def _sides(side: int | Sequence[int], x: Tensor) -> tuple[int, ...]:
    """The side along each axis after the channels."""
    return (side,) * (x.ndim - 2) if isinstance(side, int) else tuple(side)


def _axes(d: int) -> tuple[list[str], str, str, str]:
    """Names for einops of ``d`` axes: within a patch (list), whole axes, patches, within a
    patch.
    """
    within, patches = [f"s{i}" for i in range(d)], [f"n{i}" for i in range(d)]
    parts = " ".join(f"({n} {s})" for n, s in zip(patches, within, strict=True))
    return within, parts, " ".join(patches), " ".join(within)


def upsample(x: Tensor, factor: int, sizes: torch.Size) -> Tensor:
    """Repeat each position ``factor`` times along every axis, and crop to ``sizes``."""
    return crop(x if factor == 1 else F.interpolate(x, scale_factor=float(factor)), sizes)


def crop(x: Tensor, sizes: torch.Size) -> Tensor:
    """The first ``sizes`` positions."""
    for axis, n in enumerate(sizes, 2):
        x = x if x.shape[axis] == n else x.narrow(axis, 0, n)
    return x


def precise(precision: torch.dtype, device: torch.device) -> AbstractContextManager[Any]:
    """A block in which layers compute in this dtype; parameters stay float32."""
    return nullcontext() if precision == torch.float32 else torch.autocast(device.type, precision)


def every(x: Tensor, stride: int) -> Tensor:
    """Every ``stride``-th position along every axis, from the first on."""
    for axis in range(2, x.ndim):
        x = x[(slice(None),) * axis + (slice(None, None, stride),)]
    return x


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """``x`` with zeros on padding, like the zero padding of a convolution."""
    return x if mask is None else x * mask.to(x.dtype)


def entered(x: Tensor, further: Sequence[Tensor], mask: Tensor | None) -> Tensor:
    """``x`` and further channels, with zeros on padding."""
    if not further:
        return masked(x, mask)
    positions = None if mask is None else real_positions(x, mask)
    return torch.cat((masked(x, mask), *(masked(t, positions) for t in further)), 1)


def real_positions(x: Tensor, mask: Tensor) -> Tensor:
    """``mask`` at every position of ``x``, without channels: ``[b, 1, ...]``."""
    return mask.any(1, keepdim=True).expand(len(x), 1, *x.shape[2:])
