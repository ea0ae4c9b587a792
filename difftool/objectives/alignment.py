"""Alignment: latents whose likeness follows what a network sees, which are easier to diffuse."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.layers import conv

NEAR = 0.5
"""Cosine between a latent and what is seen there above which nothing is asked."""
ALIKE = 0.25
"""Difference of likenesses below which nothing is asked."""
MOST = 256
"""Positions whose likenesses are compared; of more, every n-th."""


class Alignment(nn.Module):
    """The loss of Yao & Wang 2025, arXiv:2501.01423, Eq. 4-6, against the coarsest map of eyes.

    A linear map of the latents shall point where the features do, and two positions shall be as
    alike in latents as in features. Both have margins, so that latents keep room for detail.

    Args:
        latents: their channels.
        features: channels of the map.
        dimension: number of axes after the channels.
    """

    def __init__(self, latents: int, features: int, dimension: int) -> None:
        super().__init__()
        self.project = conv(dimension, latents, features, kernel=1)

    def forward(self, z: Tensor, seen: Tensor, mask: Tensor | None) -> Tensor:
        """``[b]``, for latents ``[b, latents, ...]`` and a map ``[b, features, ...]``.

        Args:
            mask: ``[b, 1, ...]``, of the latents.
        """
        seen = resized(seen, z.shape[2:])
        apart = F.relu(1 - NEAR - F.cosine_similarity(self.project(z), seen, dim=1)).flatten(1)
        step = -(-apart.shape[1] // MOST)
        own, theirs = (_alike(t.flatten(2)[..., ::step]) for t in (z, seen))
        unlike = F.relu((own - theirs).abs() - ALIKE)
        if mask is None:
            return apart.mean(1) + unlike.flatten(1).mean(1)
        real = mask.to(z.dtype).expand(len(z), 1, *z.shape[2:]).flatten(1)
        both = real[:, ::step, None] * real[:, None, ::step]
        of_places = (apart * real).sum(1) / real.sum(1).clamp_min(1)
        return of_places + (unlike * both).sum((1, 2)) / both.sum((1, 2)).clamp_min(1)


def resized(seen: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The map at other positions: means where there are fewer, repeated where there are more."""
    pool = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[len(sizes) - 1]
    return pool(seen, list(sizes))  # type: ignore[arg-type]  # as many sizes as the pool has axes


def _alike(x: Tensor) -> Tensor:
    """``[b, c, n] -> [b, n, n]``: the cosine between each two positions."""
    unit = F.normalize(x, dim=1)
    return unit.transpose(1, 2) @ unit
