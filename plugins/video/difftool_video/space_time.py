"""Attention over space and time together, which finds moving things again in other frames."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from difftool import GroupNorm, attend, head_count, linear

from .temporal import Timeline


class SpaceTimeAttention(nn.Module):
    """Each position of a frame looks at all positions of all frames, and knows how far away they
    are; its last layer starts at zero.

    Attention along the frames of one position, and within a frame, meets what moved on only in two
    steps (Yang et al. 2024, arXiv:2408.06072, Sec. 2.2).

    Args:
        head_width: channels per head, at least six; a little more where that many do not divide the
            channels.
    """

    self_attention = True

    def __init__(self, channels: int, head_width: int) -> None:
        super().__init__()
        self.heads = head_count(channels, head_width)
        self.norm = GroupNorm(channels)
        self.query_key_value = linear(channels, 3 * channels)
        self.rotation = Rotation(channels // self.heads)
        self.out = linear(channels, channels, gain=0)

    def forward(self, x: Tensor, mask: Tensor | None, time: Timeline) -> Tensor:
        """``x [b t, c, h, w]``, ``mask [b t, 1, h, w]`` within frames -> like ``x``, anything on
        padding.
        """
        h = _by_clip(self.norm(x, mask=mask).to(x.dtype), time.length)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(h).chunk(3, -1)
        )
        turns = self.rotation((time.length, *x.shape[2:]), x.device)
        h = (
            attend(rotated(query, turns), rotated(key, turns), value, _seen(x, mask, time))
            .transpose(1, 2)
            .flatten(2)
        )
        return x + self.out(h).unflatten(1, (time.length, -1)).transpose(2, 3).flatten(
            0, 1
        ).reshape(x.shape)


class Rotation(nn.Module):
    """How far each pair of a head's channels is turned at each position: a third of them with each
    axis, so that a score depends on differences of positions alone   (Su et al. 2021,
    arXiv:2104.09864, eq. 15; along several axes Heo et al. 2024, arXiv:2403.13298).

    Args:
        width: channels of a head; those that are left over are not turned.
    """

    frequencies: Tensor

    def __init__(self, width: int, shortest: float = 4.0, longest: float = 128.0) -> None:
        super().__init__()
        waves = torch.logspace(
            math.log10(shortest), math.log10(longest), width // 6, dtype=torch.float64
        )
        self.register_buffer("frequencies", (2 * math.pi / waves).float(), persistent=False)

    def forward(self, sizes: Sequence[int], device: torch.device) -> Tensor:
        """``[positions, 3 (width // 6)]``, radians."""
        axes = torch.meshgrid(
            *(torch.arange(n, device=device, dtype=torch.float32) for n in sizes), indexing="ij"
        )
        return torch.cat([axis.flatten()[:, None] * self.frequencies for axis in axes], -1)


def rotated(x: Tensor, turns: Tensor) -> Tensor:
    """``x [..., n, d]`` with its first pairs of channels turned by ``turns [n, pairs]``, in
    radians.
    """
    pairs = turns.shape[-1]
    cos, sin = turns.cos().to(x.dtype), turns.sin().to(x.dtype)
    a, b, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return torch.cat((a * cos - b * sin, a * sin + b * cos, rest), -1)


def _by_clip(x: Tensor, frames: int) -> Tensor:
    """``[b t, c, h, w] -> [b, t h w, c]``."""
    return x.unflatten(0, (-1, frames)).flatten(3).transpose(2, 3).flatten(1, 2)


def _seen(x: Tensor, mask: Tensor | None, time: Timeline) -> Tensor | None:
    """Which positions may be looked at, ``[b, 1, 1, t h w]``: the real ones, and where a clip has
    none, any; None for all of them.
    """
    if time.real is None and mask is None:
        return None
    real = torch.ones_like(x[:, :1], dtype=torch.bool)
    for part in (time.real, mask):
        real = real if part is None else real & part.bool()
    real = _by_clip(real, time.length).squeeze(-1)
    return (real | ~real.any(-1, keepdim=True))[:, None, None]
