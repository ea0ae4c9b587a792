"""Patches of a grid as tokens with coordinates, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from ...errors import UsageError
from ..backbone import Interface
from ..layers import entered, linear, masked, patchify, real_positions, unpatchify
from .detail import Detail
from .options import PatchOptions


class Close(NamedTuple):
    """What ``Patches.leave`` needs of the example beside its tokens.

    Attributes:
        sizes: of the example.
        features: ``[b, detail, ...]``; None without convolutions.
        real: ``[b, 1, ...]``, True on real positions; None for all.
    """

    sizes: torch.Size
    features: Tensor | None = None
    real: Tensor | None = None


class Patches(nn.Module):
    """A grid ``[b, c, ...]`` <-> tokens ``[b, n, width]``, one for each patch.

    Dosovitskiy et al. 2020, arXiv:2010.11929, sec. 3.1; with a bottleneck Li & He 2025,
    arXiv:2511.13720, sec. 4; with ``Detail`` around the tokens if ``options.detail`` is set.

    Args:
        within: convolutions do not reach along the first axis.

    Raises:
        UsageError: examples are not grids of one to three axes, or the patches have another number
            of sides.
    """

    def __init__(
        self, options: PatchOptions, interface: Interface, width: int, within: bool = False
    ) -> None:
        super().__init__()
        channels, *trained = interface.shape
        self.trained, self.stretch = trained, options.stretch
        self.sides = _sides(options.patch, interface)
        assert channels is not None
        volume = math.prod(self.sides)
        inputs, outputs = channels + interface.channels, channels
        self.detail = None
        if options.detail:
            self.detail = Detail(inputs, outputs, options.detail, len(self.sides), within)
            inputs, outputs = options.detail, 2 * options.detail
        inputs *= volume
        self.stem = (
            nn.Sequential(
                linear(inputs, options.bottleneck, bias=False), linear(options.bottleneck, width)
            )
            if options.bottleneck
            else linear(inputs, width)
        )
        # what comes last starts at zero: a new network predicts nothing
        self.head = linear(width, outputs * volume, gain=float(self.detail is not None))

    @property
    def axes(self) -> int:
        return len(self.sides)

    def enter(
        self, x: Tensor, channels: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Close]:
        """The example and its further channels as tokens ``[b, n, width]``, and more for
        ``leave``.
        """
        h, close = entered(x, () if channels is None else (channels,), mask), Close(x.shape[2:])
        if self.detail is not None:
            real = None if mask is None else real_positions(x, mask)
            h = self.detail.enter(h)
            close = Close(x.shape[2:], h, real)
            h = masked(h, real)
        return self.stem(_tokens(patchify(h, self.sides))), close

    def real(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        """``[b, n]``: a patch is real if any of its entries is."""
        if mask is None:
            return None
        return _tokens(patchify(real_positions(x, mask).float(), self.sides)).amax(-1) > 0

    def grid(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The number of patches along each axis."""
        return tuple(-(-n // side) for n, side in zip(sizes, self.sides, strict=True))

    def coordinates(self, x: Tensor, real: Tensor | None) -> Tensor:
        """``[n, axes]``, in patches of the size trained on.

        Stretched positions of examples with padding, ``real [b or 1, n]``, are their own: ``[b or
        1, n, axes]``. Along an axis whose sizes vary in the data, positions are not stretched.
        """
        grid = self.grid(x.shape[2:])
        axes = [torch.arange(n, device=x.device, dtype=torch.float32) for n in grid]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
        if not self.stretch:
            return places
        extents: Sequence[float | Tensor] = grid
        if real is not None:
            ends = (places + 1).mul(real.unsqueeze(-1)).amax(1, keepdim=True).clamp(min=1)
            extents = ends.unbind(-1)
        # an axis whose sizes vary in the data has none that was trained on; numbers of the host stay
        # numbers, because a recorded step cannot copy them to the device
        trained = [
            None if n is None else -(-n // side)
            for n, side in zip(self.trained, self.sides, strict=True)
        ]
        stretched = [
            place if size is None else place * (size / extent)
            for place, size, extent in zip(places.unbind(-1), trained, extents, strict=True)
        ]
        return torch.stack(torch.broadcast_tensors(*stretched), -1)

    def leave(self, tokens: Tensor, close: Close) -> Tensor:
        """The inverse of ``enter``: a prediction for each entry of the example."""
        x = self.head(tokens).transpose(1, 2).unflatten(2, self.grid(close.sizes))
        x = unpatchify(x, self.sides, close.sizes)
        if self.detail is None or close.features is None:
            return x
        return self.detail.leave(close.features, x, close.real)


def _tokens(x: Tensor) -> Tensor:
    return rearrange(x, "b c ... -> b (...) c")


def _sides(patch: Sequence[int], interface: Interface) -> tuple[int, ...]:
    channels, *sizes = interface.shape
    if channels is None or not 1 <= len(sizes) <= 3:
        raise UsageError(
            f"This network does not take examples of shape {interface.shape}. Use another "
            "backbone: it needs channels and one to three axes."
        )
    if len(patch) not in (1, len(sizes)):
        raise UsageError(
            f"backbone.patch has {len(patch)} sides, but examples have {len(sizes)} axes. Give one "
            "side for all axes, or one for each."
        )
    return tuple(patch) * (len(sizes) // len(patch))
