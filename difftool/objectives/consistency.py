"""Consistency tuning: one evaluation of the network goes all the way to the data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..objective import Moment, Noised, Objective, Player
from ..rng import Rng
from ..shapes import expand_as
from .few import require_no_memory
from .options import ConsistencyOptions


class Consistency(Objective):
    """D at level t shall be D at a lower level r of the same path: D(x0 + t eps) = D(x0 + r eps).

    Easy consistency tuning (Geng et al. 2024, arXiv:2406.14548). Start from a trained model with
    ``train.init``: with the widest gap r is 0, where D is x0, and the loss is that of denoising.
    As the gap shrinks, D becomes the end of the probability flow that passes through x.

    The weights of both sides are the same; no gradient reaches the lower side.

    It reads how far training is. So on a CUDA device its steps are not recorded as a CUDA graph.

    Raises:
        UsageError: the network remembers its last estimate, which a pair does not have.
    """

    options: ConsistencyOptions

    def __init__(self, options: ConsistencyOptions, context: Context) -> None:
        super().__init__(options, context)
        require_no_memory(self.denoiser, "consistency")

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self.denoiser)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        t, r = noisy.sigma, self.lower(noisy.sigma, moment)
        nearer = self.nearer(noisy, r, batch)
        devices = [t.device] if t.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # layers drop the same on both sides
            estimate = self.denoiser(*noisy)
        target = self.target(noisy._replace(x=nearer, sigma=r))
        error, c = self.mean_square(estimate - target, batch), self.options.c
        return ((error + c**2).sqrt() - c) / (t - r)

    def nearer(self, noisy: Noised, r: Tensor, batch: Batch) -> Tensor:
        """The point of the path at the lower level: with the same noise, x0 + r eps.

        It lies on the line from x0 to x0 + t eps.
        """
        return torch.lerp(batch.x, noisy.x, expand_as(r / noisy.sigma, batch.x))

    def lower(self, t: Tensor, moment: Moment) -> Tensor:
        """``[b] -> [b]``: r with r / t = 1 - n(t) / q^a and n(t) = 1 + k sigmoid(-b t).

        Geng et al. 2024, Sec. 3.2. ``a`` counts the stages from 1. The paper's data have a standard
        deviation of 0.5, in which t counts here too. r is 0 where it would be below sigma_min.
        """
        a = 1 + self.options.stages * moment.step // moment.steps
        unit = 2 * self.process.preconditioning.sigma_data
        n = 1 + self.options.k * torch.sigmoid(-self.options.b * t / unit)
        r = t * (1 - n / self.options.q**a)
        return r.where(r > self.process.schedule.sigma_min, 0.0)

    @torch.no_grad()
    def target(self, nearer: Noised) -> Tensor:
        """D(x; r), and x where r is 0: the boundary condition, whatever the process."""
        level = nearer.sigma.clamp_min(self.process.schedule.sigma_min)
        found = self.denoiser(*nearer._replace(sigma=level))
        return torch.where(expand_as(nearer.sigma > 0, nearer.x), found, nearer.x)
