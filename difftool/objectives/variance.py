"""Learned variances: the second output of the network is trained by the variational bound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..nn.second_output import fraction_of
from ..objective import Moment, Noised, Objective, Player, remembered
from ..process.posterior import step_below, step_nats
from ..rng import Rng
from ..shapes import expand_as
from .options import HybridOptions, VlbOptions


class LearnedVariance(Objective):
    """The network gives D and, for each entry, where the variance of a step lies in its range.

    Nichol & Dhariwal 2021, arXiv:2102.09672. A chain of ``levels`` steps, evenly spaced in the
    schedule's time, has the bound whose terms are minimised. Where the noise has a subspace, such
    as positions without a centre, an example has one variance.

    Raises:
        UsageError: the schedule has fewer levels than the chain.
    """

    two_outputs = True
    options: HybridOptions | VlbOptions

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self.denoiser)]

    def outputs(self, noisy: Noised, moment: Moment) -> tuple[Tensor, Tensor, Tensor]:
        """F, its coefficients as D = skip x + out F, and v."""
        memory = remembered(self.denoiser, noisy, moment)
        output, second, c = self.denoiser.outputs(*noisy, memory)
        assert second is not None
        x = noisy.x
        estimate = expand_as(c.skip, x) * x + expand_as(c.out, x) * output
        mean = None if self.space.entrywise else lambda v: self.space.mean(v, noisy.mask)
        return output, estimate, fraction_of(second, mean)

    def nats(
        self, batch: Batch, noisy: Noised, below: Tensor, estimate: Tensor, fraction: Tensor
    ) -> Tensor:
        """``[b]``: L_t of the step from ``noisy.sigma`` to ``below``, per degree of freedom."""

        def mean(value: Tensor) -> Tensor:
            if batch.observed is not None:
                value = value.where(~batch.observed, 0.0)
            return self.space.mean(value, batch.mask)

        return step_nats(
            batch.x,
            estimate,
            fraction,
            expand_as(noisy.sigma, batch.x),
            expand_as(below, batch.x),
            mean,
            lambda error: self.mean_square(error, batch),
        )


class Hybrid(LearnedVariance):
    """L_simple + weight L_vlb, where L_vlb trains the variances only   (Eq. 16).

    L_simple is the loss of denoising. Levels are drawn as for it, so with the row ``eps`` the loss
    is the paper's.
    """

    options: HybridOptions

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        output, estimate, fraction = self.outputs(noisy, moment)
        c = self.process.preconditioning.coefficients(noisy.sigma)
        target = (batch.x - expand_as(c.skip, batch.x) * noisy.x) / expand_as(c.out, batch.x)
        weight = self.process.weighting.weight(noisy.sigma) * c.out.square()
        simple = self.process.weighting.loss(
            noisy.sigma, weight * self.mean_square(output - target, batch)
        )
        below = step_below(self.process.schedule, noisy.sigma, self.options.levels)
        nats = self.nats(batch, noisy, below, estimate.detach(), fraction)
        return simple + self.options.weight * self.options.levels * nats


class Vlb(LearnedVariance):
    """L_vlb, with times drawn in proportion to the root of the mean square of their losses.

    Eq. 18: its gradient is less noisy than with uniform times, which are drawn until every time has
    as many losses as are kept. With several processes each keeps those of its own batches.
    """

    options: VlbOptions
    losses: Tensor
    counts: Tensor

    def __init__(self, options: VlbOptions, context: Context) -> None:
        super().__init__(options, context)
        self.register_buffer("losses", torch.zeros(options.levels, options.history))
        self.register_buffer("counts", torch.zeros(options.levels, dtype=torch.long))

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        chances = self.chances()
        edges = chances.cumsum(0)
        time = torch.searchsorted(edges, rng.uniform((len(batch),)).double() * edges[-1])
        time = time.clamp_max(self.options.levels - 1)
        schedule, last = self.process.schedule, self.options.levels - 1
        sigma = schedule.sigma(time.double() / last).float()
        below = schedule.sigma((time - 1).clamp_min(0).double() / last).float()
        below = torch.where(time > 0, below, 0.0)
        noisy = self.noised(batch, rng, sigma)
        _, estimate, fraction = self.outputs(noisy, moment)
        nats = self.nats(batch, noisy, below, estimate, fraction)
        self.note(time, nats.detach())
        return nats / chances[time].float()

    def chances(self) -> Tensor:
        """p_t ``[levels]``: float64, they add up to 1."""
        uniform = torch.ones(self.options.levels, dtype=torch.float64, device=self.losses.device)
        found = self.losses.double().square().mean(1).sqrt()
        found = found / found.sum().clamp_min(1e-30) * (1 - self.options.floor)
        found = found + self.options.floor / self.options.levels
        full = (self.counts >= self.options.history).all()
        return torch.where(full, found, uniform / self.options.levels)

    @torch.no_grad()
    def note(self, time: Tensor, loss: Tensor) -> None:
        """Keep the newest losses of each time. Of one time twice in a batch, one loss counts."""
        self.losses[time, self.counts[time] % self.options.history] = loss
        self.counts[time] += 1
