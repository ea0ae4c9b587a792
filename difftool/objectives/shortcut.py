"""Shortcut models: one long step is two of half its length."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Batch
from ..objective import Moment
from ..rng import Rng
from ..shapes import expand_as
from .few import estimate_of
from .options import ShortcutOptions
from .whole_steps import WholeSteps


class Shortcut(WholeSteps):
    """Denoising, and self-consistency of steps   (Frans et al. 2024, arXiv:2410.12557, Alg. 1).

    The schedule's time is cut into 2^levels parts. A step over 2^k of them shall lead where two
    steps over half of them lead. A share of the examples learns that, and the others denoise.
    """

    options: ShortcutOptions

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        n = len(batch)
        steps = rng.uniform((n,)) < self.options.share
        t, middle, s = self.drawn(n, rng)
        level = self.process.density.draw(n, rng)
        t, middle, s = (torch.where(steps, one, level) for one in (t, middle, s))
        noisy = self.noised(batch, rng, t)
        with torch.no_grad():
            half = self.landed(noisy, middle, batch)
            # the levels of examples that denoise are above 0 too
            half = half._replace(sigma=half.sigma.clamp_min(self.process.schedule.sigma_min))
            reached = self.landed(half, s, batch).x
            target = torch.where(
                expand_as(steps, reached),
                estimate_of(noisy.x, reached, t, torch.where(steps, s, 0.0)),
                self.instant(noisy, batch),
            )
        return self.scaled(t, self.mean_square(self.jump(noisy, s) - target, batch))

    def drawn(self, n: int, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        """The start, the middle and the end of steps of every length, ``[n]`` each."""
        parts = 2**self.options.levels
        half = 2 ** (rng.uniform((n,)) * self.options.levels).long()
        start = 2 * half * (1 + (rng.uniform((n,)) * (parts // (2 * half))).long())
        t, middle, s = (
            self.level(part / parts) for part in (start, start - half, start - 2 * half)
        )
        return t, middle, s
