"""Consistency trajectory models: steps from any level to any other agree with the teacher's flow."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.func import functional_call

from ..batch import Batch
from ..nn.backbone import Signals
from ..objective import Moment, Noised
from ..rng import Rng
from ..shapes import expand_as
from .few import stepped_to
from .options import ConsistencyTrajectoryOptions
from .whole_steps import WholeSteps


class ConsistencyTrajectory(WholeSteps):
    """Soft consistency and denoising   (Kim et al. 2024, CTM, arXiv:2310.02279, Alg. 1).

    The step from t to s shall lead where the step from u to s leads, u being where one step of the
    teacher leads from t. Both are compared at the data, where a fixed copy of the network takes
    them (Eq. 9). The denoiser, which is g at s = t, learns beside it (Eq. 11).
    """

    options: ConsistencyTrajectoryOptions
    alone = False

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        t, u, s = self.drawn(len(batch), rng)
        noisy = self.noised(batch, rng, t)
        known = self.taught(noisy, batch)
        with torch.no_grad():
            later = noisy._replace(x=stepped_to(noisy.x, known, t, u), sigma=u)
            target = self.at_data(self.landed_from(later, s, batch), batch)
        found = self.at_data(self.landed(noisy, s, batch), batch)
        soft = self.scaled(t, self.mean_square(found - target, batch))
        denoised = self.mean_square(self.jump(noisy, t) - known, batch)
        return soft + self.options.denoising * self.scaled(t, denoised)

    def landed_from(self, later: Noised, s: Tensor, batch: Batch) -> Noised:
        """Where the network's step from u leads; x itself where u is s."""
        level = later.sigma.clamp_min(self.process.schedule.sigma_min)
        found = self.landed(later._replace(sigma=level), s, batch)
        here = expand_as(later.sigma > s, later.x)
        return found._replace(x=torch.where(here, found.x, later.x))

    def at_data(self, noisy: Noised, batch: Batch) -> Tensor:
        """The end of the trajectory by the network as it is now; gradients reach x alone."""
        level = noisy.sigma.clamp_min(self.process.schedule.sigma_min)
        weights = {name: p.detach() for name, p in self.denoiser.named_parameters()}
        signals = replace(self.denoiser.signals(noisy.cond), end=torch.zeros_like(level))
        found = functional_call(
            self.denoiser, weights, (noisy.x, level, _still(signals), noisy.mask)
        )
        here = expand_as(noisy.sigma > 0, noisy.x)
        return torch.where(here, found, noisy.x)

    def drawn(self, n: int, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        """t, the next level u below it, and s from 0 to u, among even times of the schedule."""
        parts = self.options.parts
        start = 1 + (rng.uniform((n,)) * parts).long().clamp_max(parts - 1)
        end = (rng.uniform((n,)) * start).long()
        t, u, s = (self.level(part / parts) for part in (start, start - 1, end))
        return t, u, s


def _still(signals: Signals) -> Signals:
    """The signals without gradients."""
    return Signals(**{name: tensor.detach() for name, tensor in signals.tensors().items()})
