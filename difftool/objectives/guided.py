"""Guided distillation: the scale of guidance becomes a condition."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..batch import Batch
from ..objective import Moment
from ..rng import Rng
from .options import GuidedOptions
from .taught import Taught


class Guided(Taught):
    """One evaluation that is told the scale, for two   (Meng et al. 2023, arXiv:2210.03142, Alg. 1).

    Scales are drawn between 1 and ``highest``. The student is sampled with any number of steps,
    with the guidance ``folded``, whose scale can be chosen as before; ``progressive`` then halves
    the steps.
    """

    options: GuidedOptions
    told = ("scale",)

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        scale = 1 + (self.options.highest - 1) * rng.uniform((len(batch),))
        target = self.taught(noisy, batch, scale)
        signals = replace(self.denoiser.signals(noisy.cond), scale=scale)
        found = self.denoiser(noisy.x, noisy.sigma, signals, noisy.mask)
        return self.weighted(noisy.sigma, self.mean_square(found - target, batch))
