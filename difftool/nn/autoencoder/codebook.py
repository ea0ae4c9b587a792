"""vq: each position is the nearest vector of a learned codebook."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from ...rng import Rng
from .bottleneck import Coded
from .gaussian import mean_over_positions

SMOOTHING = 1e-5


class Codebook(Coded):
    """Vector quantisation, with codes that are averages of the vectors that chose them.

    van den Oord et al. 2017, arXiv:1711.00937, Eq. 1-3 and App. A.1. A code that is hardly chosen
    starts again from a vector of the data (Dhariwal et al. 2020, arXiv:2005.00341, sec. 3.1). The
    first batch fills the codebook.

    Latents are the encoder's vectors; ``settled`` takes their codes, so that a diffusion model has
    numbers to work on, and the decoder codes (Rombach et al. 2022, arXiv:2112.10752, sec. 3.1).

    Args:
        count: vectors of the codebook.
        decay: share of the averages that a step keeps.
        commitment: weight of the distance from vectors to their codes.
        restart: share of the mean use below which a code starts again; 0 for never.
    """

    vector: Tensor
    use: Tensor
    total: Tensor
    chosen: Tensor
    summed: Tensor
    fresh: Tensor
    started: Tensor

    def __init__(
        self, latents: int, count: int, decay: float, commitment: float, restart: float
    ) -> None:
        super().__init__()
        self.latents = self.inputs = latents
        self.decay, self.commitment, self.restart = decay, commitment, restart
        self.register_buffer("vector", torch.randn(count, latents))
        self.register_buffer("use", torch.ones(count))  # exponential averages
        self.register_buffer("total", self.vector.clone())
        self.register_buffer("started", torch.zeros(()))
        # of the step that is being taken; nothing is left of them after it
        self.register_buffer("chosen", torch.zeros(count), persistent=False)
        self.register_buffer("summed", torch.zeros(count, latents), persistent=False)
        self.register_buffer("fresh", torch.zeros(count, latents), persistent=False)

    @property
    def count(self) -> int:
        return len(self.vector)

    def mean(self, h: Tensor) -> Tensor:
        return h

    def codes(self, z: Tensor) -> Tensor:
        rows = _rows(z.float())
        # |z - e|^2 without |z|^2, which all codes share
        distance = self.vector.square().sum(1) - 2 * rows @ self.vector.T
        return distance.argmin(1).reshape(len(z), *z.shape[2:])

    def vectors(self, codes: Tensor) -> Tensor:
        return self.vector[codes].movedim(-1, 1)

    def settled(self, z: Tensor) -> Tensor:
        return z + (self.vectors(self.codes(z)).to(z.dtype) - z).detach()

    def penalty(self, h: Tensor, mask: Tensor | None) -> Tensor:
        codes = self.vectors(self.codes(h)).detach()
        return self.commitment * mean_over_positions((h.float() - codes).square(), mask).mean(1)

    @torch.no_grad()
    def observe(self, h: Tensor, mask: Tensor | None, rng: Rng) -> None:
        rows, codes = _rows(h.float()), self.codes(h).flatten()
        weight = rows.new_ones(len(rows))
        if mask is not None:
            weight = mask.to(rows.dtype).expand(len(h), 1, *h.shape[2:]).flatten()
        self.chosen.index_add_(0, codes, weight)
        self.summed.index_add_(0, codes, rows * weight[:, None])
        # real rows come first, in random order
        order = (rng.uniform((len(rows),)) - weight).argsort()
        real = weight.sum().clamp_min(1)
        place = torch.arange(self.count, device=rows.device) % real
        self.fresh.copy_(rows[order[place.long()]])

    @torch.no_grad()
    def stepped(self) -> None:
        if dist.is_initialized():
            for tensor in (self.chosen, self.summed):
                dist.all_reduce(tensor)
            dist.broadcast(self.fresh, 0)
        seen = self.chosen.sum() > 0  # not in a step without a turn of the encoder
        kept = torch.where(seen, self.decay, 1.0)
        self.use.mul_(kept).add_((1 - kept) * self.chosen)
        self.total.mul_(kept).add_((1 - kept) * self.summed)
        dead = self.use < self.restart * self.use.mean()
        again = seen & (dead | (self.started == 0))
        self.use.copy_(torch.where(again, self.use.mean(), self.use))
        self.total.copy_(torch.where(again[:, None], self.fresh * self.use[:, None], self.total))
        self.started.copy_(torch.where(seen, 1.0, self.started))
        self.vector.copy_(self.total / (self.use[:, None] + SMOOTHING))
        for tensor in (self.chosen, self.summed):
            tensor.zero_()


def _rows(z: Tensor) -> Tensor:
    """``[b, c, ...] -> [n, c]``."""
    return z.movedim(1, -1).flatten(0, -2)
