"""Distribution matching: the samples of few steps shall be as likely as the teacher's."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch
from ..context import Context
from ..objective import Moment, Noised, Player
from ..rng import Rng
from ..shapes import expand_as
from .compared import Compared
from .discriminator import Discriminator
from .options import DistributionMatchingOptions

FOLLOWER = "follower"


class DistributionMatching(Compared):
    """Two networks with two time scales   (Yin et al. 2024, DMD2, arXiv:2405.14867, Alg. 1).

    The student makes samples in few steps. The *follower*, a copy of the teacher, denoises them, so
    that it knows the score of their distribution. The gradient of the KL divergence to the
    teacher's distribution is the difference of the two scores: it leads the student's samples where
    the teacher finds them more likely than the follower does. The student takes one step to
    ``ratio`` steps of the follower.

    Of several steps, each has its turn, and it starts where the student's own steps before lead
    (Sec. 4.5). No data are needed but conditions.

    With ``adversary`` a discriminator looks at noisy examples and noisy samples through the
    follower, which learns with it; the student learns to deceive it (Sec. 4.3). Examples are needed
    then.
    """

    options: DistributionMatchingOptions
    reads_examples = False

    def __init__(self, options: DistributionMatchingOptions, context: Context) -> None:
        super().__init__(options, context)
        self.follower = deepcopy(self.teacher).train().requires_grad_(True)
        assert context.representation is not None
        self.discriminator = (
            Discriminator(self.follower, context.representation.shape)
            if options.adversary
            else None
        )
        self.reads_examples = options.adversary > 0

    def players(self) -> Sequence[Player]:
        learns: nn.Module = self.follower
        if self.discriminator is not None:
            learns = nn.ModuleList((self.follower, self.discriminator))
        return [
            Player("denoiser", self.denoiser, every=self.options.ratio),
            Player(FOLLOWER, learns, averaged=False),
        ]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        made, cond = self.made(batch, rng, moment, learns=player != FOLLOWER)
        sample = self.settled(made, batch)
        noisy = self.again(sample.detach(), cond, batch, rng)
        if player == FOLLOWER:
            return self.followed(sample.detach(), noisy, batch, rng)
        loss = self.matched(sample, noisy, batch)
        if self.discriminator is None:
            return loss
        logit, _ = self.discriminator(self.follower, *self.again(sample, cond, batch, rng))
        return loss + self.options.adversary * F.softplus(-logit)

    def followed(self, sample: Tensor, noisy: Noised, batch: Batch, rng: Rng) -> Tensor:
        """The loss of the follower: denoising of samples, and telling them from examples."""
        if self.discriminator is None:
            return self.weighted(
                noisy.sigma, self.mean_square(self.follower(*noisy) - sample, batch)
            )
        made, estimate = self.discriminator(self.follower, *noisy)
        again = self.again(batch.x, noisy.cond, batch, rng)
        real, _ = self.discriminator(self.follower, *again)
        told_apart = F.softplus(-real) + F.softplus(made)
        error = self.weighted(noisy.sigma, self.mean_square(estimate - sample, batch))
        return error + self.options.adversary * told_apart

    def matched(self, sample: Tensor, noisy: Noised, batch: Batch) -> Tensor:
        """A loss whose gradient is (D_follower - D_teacher) / |x - D_teacher|   (DMD, Eq. 7-8)."""
        with torch.no_grad():
            wanted = self.taught(noisy, batch)
            found = self.settled(self.follower(*noisy), batch)
            far = self.mean_square(sample - wanted, batch).sqrt().clamp_min(1e-4)
            target = sample - (found - wanted) / expand_as(far, sample)
        return 0.5 * self.mean_square(sample - target, batch)

    def made(
        self, batch: Batch, rng: Rng, moment: Moment, *, learns: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A sample of the student after some of its steps, and its conditions."""
        sigmas = self.process.schedule.sigmas(self.options.evaluations)[:-1]
        now = self.started(batch, rng)
        last = moment.step // self.options.ratio % len(sigmas)
        for i, level in enumerate(sigmas[: last + 1]):
            if i:
                x = now.x + level * self.space.noise(now.x.shape, rng, batch.mask)
                if batch.observed is not None and batch.noise_free:
                    x = self.space.keep(x, batch.x, batch.observed, batch.mask)
                now = now._replace(x=x, sigma=torch.full_like(now.sigma, level))
            with torch.set_grad_enabled(learns and i == last):
                estimate = self.denoiser(*now)
            if i < last:
                now = now._replace(x=self.settled(estimate, batch))
        return estimate, dict(now.cond)
