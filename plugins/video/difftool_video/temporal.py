"""Layers over time: the frames of a clip exchange information, position by position."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difftool import GroupNorm, NormActivation, attend, conv, head_count, linear


class Timeline(NamedTuple):
    """How many frames a clip has, and which of them are real, ``[b t, 1, 1, 1]``; None for all of
    them.
    """

    length: int
    real: Tensor | None = None


class TemporalLayer(nn.Module):
    """A convolution over time, and perhaps attention over it, each with a skip and starting at
    zero: a new layer says nothing.

    Args:
        kernel: frames that the convolution sees, odd.
        embedding: width of what modulates it.
        attention: called with what this layer is, but for the embedding; None for none.
    """

    def __init__(
        self, channels: int, kernel: int, embedding: int, attention: nn.Module | None
    ) -> None:
        super().__init__()
        self.norm = NormActivation(channels)
        self.film = nn.Linear(embedding, 2 * channels)
        self.conv = TemporalConv(channels, kernel)
        self.attention = attention

    def forward(self, x: Tensor, embedding: Tensor, mask: Tensor | None, time: Timeline) -> Tensor:
        """``x [b t, c, h, w]``, ``embedding [b t, e]``, ``mask [b t, 1, h, w]`` within frames ->
        like ``x``, anything on padding.
        """
        h = self.norm(x, self.film(embedding), mask)
        x = x + self.conv(h if time.real is None else h * time.real.to(h.dtype), time.length)
        return x if self.attention is None else self.attention(x, mask, time)


class TemporalConv(nn.Module):
    """A convolution along the frames of each position, with zeros beyond the first and the last;
    its weights start at zero.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = cast(nn.Conv1d, conv(1, channels, channels, kernel, gain=0))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """``x [b t, c, h, w]`` -> like ``x``."""
        x = x.unflatten(0, (-1, frames)).transpose(1, 2)
        b, c, t, h, w = x.shape
        y = F.conv2d(
            x.reshape(b, c, t, h * w),
            self.conv.weight.unsqueeze(-1),
            self.conv.bias,
            padding=(self.conv.kernel_size[0] // 2, 0),
        )
        return y.view(b, c, t, h, w).transpose(1, 2).flatten(0, 1)


class TemporalAttention(nn.Module):
    """Each position of a frame looks at the same position of all frames, and knows how far apart
    they are; its last layer starts at zero.

    Args:
        head_width: channels per head; a little more where that many do not divide the channels.
        reach: frames of the clips that are learnt from.
    """

    def __init__(self, channels: int, head_width: int, reach: int) -> None:
        super().__init__()
        self.heads = head_count(channels, head_width)
        self.norm = GroupNorm(channels)
        self.query_key_value = linear(channels, 3 * channels)
        self.distance = RelativePosition(self.heads, reach)
        self.out = linear(channels, channels, gain=0)

    def forward(self, x: Tensor, mask: Tensor | None, time: Timeline) -> Tensor:
        """``x [b t, c, h, w]``, ``mask [b t, 1, h, w]`` within frames -> like ``x``, anything on
        padding.
        """
        h = (
            self.norm(x, mask=mask)
            .to(x.dtype)
            .unflatten(0, (-1, time.length))
            .flatten(3)
            .permute(0, 3, 1, 2)
        )  # [b, hw, t, c]
        query, key, value = (
            t.unflatten(-1, (self.heads, -1)).transpose(2, 3)
            for t in self.query_key_value(h).chunk(3, -1)
        )
        bias = self.distance(time.length).to(query.dtype)
        if time.real is not None:
            bias = bias.masked_fill(
                ~_seen(time.real if mask is None else time.real & mask, time.length), -math.inf
            )
        h = attend(query, key, value, bias).transpose(2, 3).flatten(3)
        return x + self.out(h).permute(0, 2, 3, 1).reshape(x.shape)


def _seen(mask: Tensor, frames: int) -> Tensor:
    """Which frames each position may look at, ``[b, 1 or hw, 1, 1, t]``: the real ones, and where
    there is none, any.
    """
    real = mask.bool().unflatten(0, (-1, frames)).flatten(2).transpose(1, 2)  # [b, hw, t]
    return (real | ~real.any(-1, keepdim=True))[:, :, None, None]


class RelativePosition(nn.Module):
    """What is added to the scores for the distance between two frames: learned, in buckets that
    widen with it, before and after apart.

    Raffel et al. 2020, arXiv:1910.10683, Sec. 2.1; in video Ho et al. 2022, arXiv:2204.03458, Sec.
    3. The first half of the buckets hold one distance each, the others equal shares of its
    logarithm up to ``reach``, the last one open: any number of frames can be sampled.
    """

    starts: Tensor

    def __init__(self, heads: int, reach: int, buckets: int = 8) -> None:
        super().__init__()
        exact = buckets // 2
        growth = max(2.0, reach / exact) ** (1 / (buckets - exact))
        starts = [*range(1, exact), *(round(exact * growth**i) for i in range(buckets - exact))]
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.weight = nn.Parameter(torch.zeros(2 * buckets - 1, heads))

    def forward(self, frames: int) -> Tensor:
        """``[heads, frames, frames]``: from each frame (rows) to each (columns)."""
        at = torch.arange(frames, device=self.weight.device)
        return self.weight[self.bucket(at - at[:, None])].permute(2, 0, 1)

    def bucket(self, distance: Tensor) -> Tensor:
        """``0 <= bucket < 2 buckets - 1`` of a signed distance in frames: the frame itself, those
        before, those after.
        """
        return torch.bucketize(distance.abs(), self.starts, right=True) + (distance > 0) * len(
            self.starts
        )
