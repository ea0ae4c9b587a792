"""kl: each latent is a narrow Gaussian, kept near a unit one."""

from __future__ import annotations

import torch
from torch import Tensor

from ...rng import Rng
from .bottleneck import Bottleneck

LOWEST, HIGHEST = -30.0, 10.0
"""Bounds of the logarithm of a variance."""


class Gaussian(Bottleneck):
    """q(z | x) = N(mean, std^2), with KL(q | N(0, 1)) as its cost.

    Kingma & Welling 2014, arXiv:1312.6114. With a tiny weight, as in Rombach et al. 2022,
    arXiv:2112.10752, it keeps latents from growing and makes the decoder bear small errors.

    Args:
        weight: of the divergence.
        free: divergence of each channel, in nats for a number, that costs nothing (Kingma et al.
            2016, arXiv:1606.04934, Eq. 15).
    """

    def __init__(self, latents: int, weight: float, free: float) -> None:
        super().__init__()
        self.latents, self.inputs = latents, 2 * latents
        self.weight, self.free = weight, free

    def mean(self, h: Tensor) -> Tensor:
        return h[:, : self.latents]

    def moments(self, h: Tensor) -> Tensor:
        mean, log_variance = self._of(h)
        return torch.cat((mean, (0.5 * log_variance).exp()), 1)

    def sample(self, moments: Tensor, rng: Rng) -> Tensor:
        mean, std = moments.chunk(2, 1)
        return mean + std * rng.normal(mean.shape)

    def penalty(self, h: Tensor, mask: Tensor | None) -> Tensor:
        by_channel = mean_over_positions(divergence(*self._of(h)), mask)
        if self.free:  # of the batch: one example may say more than another
            batch = by_channel.mean(0)
            by_channel = by_channel * (batch > self.free)
        return self.weight * by_channel.mean(1)

    def health(self, h: Tensor, mask: Tensor | None) -> dict[str, float]:
        """``nats``: the divergence for a number of the latents; ``used``: the share of channels
        that say more than a hundredth of a nat.
        """
        by_channel = mean_over_positions(divergence(*self._of(h)), mask).mean(0)
        return {
            "nats": float(by_channel.mean()),
            "used": float((by_channel > 0.01).double().mean()),
        }

    def _of(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = h.float().chunk(2, 1)
        return mean, log_variance.clamp(LOWEST, HIGHEST)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) | N(0, 1)) of each number: (mean^2 + variance - 1 - log variance) / 2.

    Kingma & Welling 2014, App. B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def mean_over_positions(x: Tensor, mask: Tensor | None) -> Tensor:
    """``[b, c, ...] -> [b, c]``: the mean over real positions."""
    if mask is None:
        return x.flatten(2).mean(2)
    real = mask.to(x.dtype).expand(len(x), 1, *x.shape[2:]).flatten(2)
    return (x.flatten(2) * real).sum(2) / real.sum(2).clamp_min(1)
