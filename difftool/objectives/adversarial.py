"""Adversarial distillation: samples that a discriminator takes for examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..nn.autoencoder.critic import hinge
from ..objective import Moment, Noised, Player
from ..rng import Rng
from .compared import Compared
from .discriminator import Discriminator
from .options import AdversarialOptions

CRITIC = "discriminator"


class Adversarial(Compared):
    """A discriminator on the teacher's features, and the teacher's estimates.

    Sauer et al. 2023, arXiv:2311.17042, Eq. 1; on the features of the teacher, which sees samples
    with noise, as Sauer et al. 2024, arXiv:2403.12015, Sec. 3.

    The student makes an example of one that is noisy, of a level where its sampler will be. The
    discriminator compares that, noisy again, with noisy examples. Beside it, the sample shall be
    near what the teacher sees in it under noise (ADD, Eq. 4, with its weights c(t) = alpha_t).
    """

    options: AdversarialOptions

    def __init__(self, options: AdversarialOptions, context: Context) -> None:
        super().__init__(options, context)
        assert context.representation is not None
        self.discriminator = Discriminator(self.teacher, context.representation.shape)

    def players(self) -> Sequence[Player]:
        return [
            Player("denoiser", self.denoiser),
            Player(CRITIC, self.discriminator, averaged=False),
        ]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        levels = torch.tensor(self.process.schedule.sigmas(self.options.evaluations)[:-1])
        place = (rng.uniform((len(batch),)) * len(levels)).long().clamp_max(len(levels) - 1)
        shown = self.noised(batch, rng, levels.to(rng.device)[place])
        with torch.set_grad_enabled(player != CRITIC and torch.is_grad_enabled()):
            sample = self.settled(self.denoiser(*shown), batch)
        noisy = self.again(sample, shown.cond, batch, rng)
        logit = self.seen(noisy)
        if player == CRITIC:
            real = self.seen(self.again(batch.x, shown.cond, batch, rng))
            return hinge(real[:, None], logit[:, None])
        distance = self.mean_square(sample - self.taught(noisy, batch), batch)
        return self.options.distillation * self.counted(noisy.sigma) * distance - logit

    def seen(self, noisy: Noised) -> Tensor:
        """The logits ``[b]``, through the teacher with the conditions, unguided."""
        cond = {name: noisy.cond[name] for name in self.teacher.conditioners}
        return self.discriminator(self.teacher, noisy.x, noisy.sigma, cond, noisy.mask)[0]

    def counted(self, sigma: Tensor) -> Tensor:
        """c(t) = alpha_t, over the variance of the data: high noise levels count little."""
        data = self.process.preconditioning.sigma_data
        return (1 + (sigma / data).square()).rsqrt() / data**2
