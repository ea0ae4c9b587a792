"""The autoencoder: encoder, bottleneck and decoder, with a finite field of view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import UsageError
from ...rng import Rng
from ..blocks import Block
from ..layers import conv, masked, patchify, precise, real_positions, unpatchify
from .bottleneck import Bottleneck, Plain
from .causal import make_causal
from .codebook import Codebook
from .coder import Coder
from .gaussian import Gaussian
from .norm import LocalNormActivation
from .options import BottleneckOptions, along_axes
from .resample import Enlarge, Shrink
from .scalars import FiniteScalars


class Autoencoder(Coder):
    """``[b, c, n...]`` <-> latents ``[b, latents, n / reduction...]``, sizes rounded up.

    Convolutions and normalisation of single positions only: examples may have any size, padding
    has no influence, and a decoder of parts equals the decoder of the whole where parts overlap by
    its field of view.

    Args:
        channels: of an example.
        dimension: number of axes after the channels, 1 to 3.

    Attributes:
        precision: dtype in which the encoder and the decoder compute; what they are given and give
            stays as it is.

    Raises:
        UsageError: an option does not fit the number of axes.
    """

    def __init__(self, options: BottleneckOptions, channels: int, dimension: int) -> None:
        super().__init__()
        self.channels, self.dimension, self.causal = channels, dimension, options.causal
        try:
            self.patch = along_axes(options.patch, dimension)
            factors = [along_axes(factor, dimension) for factor in options.strides]
            self.reduction = options.reduction(dimension)
        except ValueError as error:
            raise UsageError(f"The autoencoder does not fit the data. {error}") from None
        if options.causal and (dimension != 3 or self.patch[0] > 1):
            raise UsageError(
                "causal needs examples with three axes, of which time is the first, and patches of "
                f"one frame; here are {dimension} axes and patches of {list(self.patch)}. Set "
                "causal = false, or a patch such as [1, 2, 2]."
            )
        self.precision = torch.float32
        self.bottleneck = make_bottleneck(options)
        self.latents = self.bottleneck.latents
        self.encoder = Encoder(options, channels, self.bottleneck.inputs, self.patch, factors)
        self.decoder = Decoder(options, channels, self.bottleneck.latents, self.patch, factors)
        if options.causal:
            make_causal(self)

    def features(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """``[b, c, n...]`` -> what the bottleneck takes, and its mask ``[b, 1, ...]``."""
        mask = None if mask is None else real_positions(x, mask)
        lacking = -(x.shape[2] - 1) % self.reduction[0] if self.causal else 0
        if not lacking:
            with precise(self.precision, x.device):
                h, seen = self.encoder(x, mask)
            return h.to(x.dtype), seen
        # the first frame, then whole steps of time: what is added is padding
        real = torch.ones_like(x[:, :1], dtype=torch.bool) if mask is None else mask
        ends = (0, 0, 0, 0, 0, lacking)
        with precise(self.precision, x.device):
            h, seen = self.encoder(F.pad(masked(x, mask), ends), F.pad(real, ends))
        return h.to(x.dtype), None if mask is None else seen

    def encode(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        h, mask = self.features(x, mask)
        return masked(self.bottleneck.mean(h), mask), mask

    def moments(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        h, mask = self.features(x, mask)
        return masked(self.bottleneck.moments(h), mask), mask

    def draw(self, moments: Tensor, rng: Rng) -> Tensor:
        return self.bottleneck.sample(moments, rng)

    def decode(self, z: Tensor, mask: Tensor | None = None) -> Tensor:
        z = masked(self.bottleneck.settled(z), mask)
        with precise(self.precision, z.device):
            made = self.decoder(z, mask)
        return made.to(z.dtype)

    def reach(self, axis: int) -> int:
        return self.decoder.reach(axis)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The reconstruction of examples, without chance: ``decode(encode(x))``, cut to size."""
        z, seen = self.encode(x, mask)
        return cut(self.decode(z, seen), x.shape[2:])


class Encoder(nn.Module):
    """Levels of residual blocks, each with fewer positions."""

    def __init__(
        self,
        options: BottleneckOptions,
        channels: int,
        outputs: int,
        patch: tuple[int, ...],
        factors: Sequence[tuple[int, ...]],
    ) -> None:
        super().__init__()
        self.patch, self.factors, self.causal = patch, list(factors), options.causal
        d, widths = len(patch), _widths(options)
        self.stem = conv(d, channels * math.prod(patch), widths[0])
        self.levels = nn.ModuleList(
            nn.ModuleList(_block(options, d, width) for _ in range(options.blocks))
            for width in widths
        )
        self.downs = nn.ModuleList(
            Shrink(*pair, factor) for pair, factor in zip(pairwise(widths), factors, strict=True)
        )
        self.norm = LocalNormActivation(widths[-1])
        self.head = conv(d, widths[-1], outputs)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        h = self.stem(patchify(masked(x, mask), self.patch))
        mask = fewer(mask, self.patch, causal=False)
        for level, blocks in enumerate(self.levels):
            if level:
                h = self.downs[level - 1](h, mask)
                mask = fewer(mask, self.factors[level - 1], self.causal)
            for block in cast(nn.ModuleList, blocks):
                h = block(h, None, None, mask)
        return self.head(self.norm(h, mask=mask)), mask


class Decoder(nn.Module):
    """The mirror of the encoder, with one more block at each level."""

    def __init__(
        self,
        options: BottleneckOptions,
        channels: int,
        inputs: int,
        patch: tuple[int, ...],
        factors: Sequence[tuple[int, ...]],
    ) -> None:
        super().__init__()
        self.patch, self.factors, self.causal = patch, list(factors), options.causal
        d, widths = len(patch), _widths(options)
        self.blocks, self.method = options.blocks + 1, options.upsampling
        self.stem = conv(d, inputs, widths[-1])
        self.levels = nn.ModuleList(
            nn.ModuleList(_block(options, d, width) for _ in range(self.blocks)) for width in widths
        )
        self.ups = nn.ModuleList(
            Enlarge(below, above, factor, options.upsampling, options.causal)
            for (above, below), factor in zip(pairwise(widths), factors, strict=True)
        )
        self.norm = LocalNormActivation(widths[0])
        self.head = conv(d, widths[0], channels * math.prod(patch))

    def forward(self, z: Tensor, mask: Tensor | None) -> Tensor:
        h = self.stem(z)
        for level, blocks in reversed(list(enumerate(self.levels))):
            for block in cast(nn.ModuleList, blocks):
                h = block(h, None, None, mask)
            if level:
                factors = self.factors[level - 1]
                h = self.ups[level - 1](h, mask)
                mask = more(mask, factors, self.causal)
        h = self.head(self.norm(h, mask=mask))
        sizes = [n * side for n, side in zip(h.shape[2:], self.patch, strict=True)]
        return unpatchify(h, self.patch, torch.Size(sizes))

    def reach(self, axis: int) -> int:
        """Latents on either side of one, along an axis, that what is made of it may depend on."""
        # a causal kernel of three looks two positions back
        step = 2 if self.causal and axis == 0 else 1
        blocks = 2 * step * self.blocks
        seen = step + blocks
        for factors in self.factors:  # from the finest level to the coarsest
            seen = -(-seen // factors[axis]) + step + blocks
        return seen + step


def make_bottleneck(options: BottleneckOptions) -> Bottleneck:
    """The bottleneck that the options name."""
    if options.bottleneck == "kl":
        return Gaussian(options.latents, options.kl_weight, options.free_nats)
    if options.bottleneck == "vq":
        return Codebook(
            options.latents,
            options.codes,
            options.code_decay,
            options.commitment,
            options.restart_below,
        )
    if options.bottleneck == "fsq":
        levels = options.levels if len(options.levels) > 1 else options.levels * options.latents
        return FiniteScalars(levels)
    return Plain(options.latents)


def fewer(mask: Tensor | None, factors: Sequence[int], causal: bool) -> Tensor | None:
    """The mask of a level with fewer positions: one is real if the first that it covers is real.

    A causal position j after the first covers the times from (j - 1) * factor + 1 on.
    """
    if mask is None:
        return None
    for axis, factor in enumerate(factors, 2):
        if causal and axis == 2:
            mask = torch.cat((mask[:, :, :1], mask[:, :, 1::factor]), 2)
        else:
            mask = mask[(slice(None),) * axis + (slice(None, None, factor),)]
    return mask


def more(mask: Tensor | None, factors: Sequence[int], causal: bool) -> Tensor | None:
    """The mask of a level with more positions, each real if the one that it is made of is real."""
    if mask is None:
        return None
    for axis, factor in enumerate(factors, 2):
        mask = mask.repeat_interleave(factor, axis) if factor > 1 else mask
    return mask[:, :, factors[0] - 1 :] if causal else mask


def cut(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The first positions of each axis; an axis that is shorter stays whole."""
    for axis, n in enumerate(sizes, 2):
        x = x.narrow(axis, 0, min(n, x.shape[axis]))
    return x


def _widths(options: BottleneckOptions) -> list[int]:
    return [options.channels * multiplier for multiplier in options.multipliers]


def _block(options: BottleneckOptions, dimension: int, width: int) -> Block:
    return Block(dimension, width, width, 0, options.dropout, 1.0, [], norm=LocalNormActivation)
