"""Continuous-time consistency: the estimate does not change along the trajectory."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..objective import Moment
from ..rng import Rng
from ..shapes import expand_as
from .options import ContinuousConsistencyOptions
from .tangent import Tangent
from .taught import Taught


class ContinuousConsistency(Taught):
    """sCM (Lu & Song 2024, arXiv:2410.11081, Alg. 1), in the angle of TrigFlow, sigma = sd tan(t).

    The tangent cos(t) df/dt, in units of the data, is normalised (Eq. 9 and Sec. 4.1), and grows in
    over the first part of training from the error of denoising, with which the loss begins.
    The angle needs no other network: with the row edm, F is that of TrigFlow up to its sign.

    With a teacher the trajectory is that of its guided flow; without one it learns from the data.
    """

    options: ContinuousConsistencyOptions
    alone = True

    def __init__(self, options: ContinuousConsistencyOptions, context: Context) -> None:
        super().__init__(options, context)
        self.tangent = Tangent()

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        t, sd = noisy.sigma, self.process.preconditioning.sigma_data
        x0 = self.taught(noisy, batch) if self.options.teacher else batch.x
        signals = self.denoiser.signals(noisy.cond)

        def estimate(x: Tensor, sigma: Tensor) -> Tensor:
            return self.denoiser(x, sigma, signals, noisy.mask)

        found, slope = self.tangent(estimate, noisy.x, t, x0)
        warm = min(1.0, moment.step / max(1, self.options.warmup * moment.steps))
        # d ln sigma / dt = 1 / (sin t cos t), so that cos(t) df/dt = (df / d ln sigma) / sin t
        sine = t / (t.square() + sd**2).sqrt()
        change = torch.lerp(found - x0, slope, warm) / expand_as(sine * sd, x0)
        size = self.mean_square(change, batch).sqrt()
        change = change / expand_as(size + self.options.c, x0)
        # the error of F, whose estimate moves by sd sin(t) for a unit of F
        error = (self.denoiser(*noisy) - found) / expand_as(sine * sd, x0) + change
        return self.mean_square(error, batch)
