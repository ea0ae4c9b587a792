"""The U-Net over space and time, factorised.

Ho et al. 2022, arXiv:2204.03458; Blattmann et al. 2023, arXiv:2304.08818.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from difftool import Backbone, Interface, Signals, UNet, UsageError, conv

from .network_options import UNet3dOptions
from .space_time import SpaceTimeAttention
from .temporal import TemporalAttention, TemporalLayer, Timeline

REACH = 32
"""Frames that are taken to be learnt from where clips differ in length."""


class UNet3d(Backbone):
    """The U-Net of single frames, ``spatial``, with a layer over time after each of its blocks.

    Frames see each other in the layers over time only. These start at zero: a new network does to a
    clip what ``spatial`` does to its frames, and ``spatial`` is to the letter the network of an
    image run with the same options.

    Where there is one channel more next to x than x has, they are known frames and, in the last,
    where those are: these take x's place.

    Raises:
        UsageError: examples have other than three axes beside their channels.
    """

    inner_network = "spatial"

    def __init__(self, options: UNet3dOptions, interface: Interface) -> None:
        super().__init__()
        if len(interface.shape) != 4:
            raise UsageError(
                "unet3d works on clips, (channels, frames, height, width), and an encoded "
                f"example is {interface.shape}. Use it with the representation frames, or choose "
                "another backbone: unet."
            )
        channels, frames, *size = interface.shape
        self.spatial = UNet(
            options, Interface((channels, *size), interface.vector, interface.tokens)
        )
        self.given = interface.channels == channels + 1 if channels else False
        beside = 1 if self.given else interface.channels
        self.beside = _beside(options, beside) if beside else None
        self.temporal = nn.ModuleList(_layers(options, self.spatial, frames or REACH))
        if options.freeze_spatial:
            self.spatial.requires_grad_(False)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        """``x [b, c, t, h, w]``, ``mask [b, 1, t, 1, 1]`` or ``[b, 1, t, h, w]`` -> like ``x``,
        anything on padding.
        """
        b, t = len(x), x.shape[2]
        embedding = self.spatial.embedding(c_noise, signals.vector).repeat_interleave(t, 0)
        tokens, seen = (
            None if s is None else s.repeat_interleave(t, 0)
            for s in (signals.tokens, signals.token_mask)
        )
        real, mask = _masks(mask, b, t)
        time, layers = Timeline(t, real), iter(self.temporal)

        def run(block: nn.Module, h: Tensor, mask: Tensor | None) -> Tensor:
            layer = next(layers)
            return self._run(
                lambda h: layer(block(h, embedding, tokens, mask, seen), embedding, mask, time), h
            )

        x = _by_frame(x)
        masks = self.spatial.masks(x, mask)
        h = self.spatial.walk(self._enter(x, signals, mask), masks, run)
        return self.spatial.leave(h, x.shape[2:], masks[0]).unflatten(0, (b, t)).transpose(1, 2)

    def _enter(self, x: Tensor, signals: Signals, mask: Tensor | None) -> Tensor:
        """Frames that are given stand in the place of the noisy ones, clean.

        Harvey et al. 2022, arXiv:2205.11495, Sec. 4.1.
        """
        if self.beside is None:
            return self.spatial.enter(x, None, mask)
        beside = _by_frame(cast(Tensor, signals.channels))
        if self.given:
            frames, beside = beside[:, :-1], beside[:, -1:]
            x = torch.where(beside > 0, frames.to(x.dtype), x)
        return self.spatial.enter(x, None, mask) + self.beside(
            beside if mask is None else beside * mask.to(beside.dtype)
        )

    def _run(self, pair: Callable[[Tensor], Tensor], h: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(pair, h, use_reentrant=False)
        return pair(h)


def _by_frame(x: Tensor) -> Tensor:
    """``[b, c, t, h, w] -> [b t, c, h, w]``."""
    return x.transpose(1, 2).flatten(0, 1)


def _masks(mask: Tensor | None, b: int, t: int) -> tuple[Tensor | None, Tensor | None]:
    """Which frames are real, ``[b t, 1, 1, 1]``; and within frames, ``[b t, 1, h, w]``, what is, or
    None where all of a real one is.

    Frames meet in the layers over time alone, so a frame of padding needs no mask within.
    """
    if mask is None:
        return None, None
    mask = _by_frame(mask.any(1, keepdim=True).expand(b, 1, t, *mask.shape[3:]))
    frames = mask.any((2, 3), keepdim=True)
    return frames, None if mask.shape[2:] == (1, 1) else mask | ~frames


def _beside(options: UNet3dOptions, channels: int) -> nn.Module:
    """The channels next to x enter here, not by ``spatial``, which is then that of an image run; it
    says nothing at first.
    """
    return conv(
        2,
        channels,
        options.channels * options.multipliers[0],
        kernel=2 * options.patch + 1,
        stride=options.patch,
        gain=0,
    )


def _layers(options: UNet3dOptions, spatial: UNet, reach: int) -> Iterator[TemporalLayer]:
    embedding = options.embedding or 4 * options.channels
    for channels, positions in spatial.block_levels():
        yield TemporalLayer(
            channels,
            options.time_kernel,
            embedding,
            _attention(options, channels, positions, reach),
        )


def _attention(
    options: UNet3dOptions, channels: int, positions: float, reach: int
) -> SpaceTimeAttention | TemporalAttention | None:
    if positions <= options.joint_attention:
        return SpaceTimeAttention(channels, options.head_width)
    return (
        TemporalAttention(channels, options.head_width, reach)
        if positions <= options.time_attention
        else None
    )
