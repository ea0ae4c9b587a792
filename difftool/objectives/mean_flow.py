"""Mean flow: the mean velocity between two levels, learned from the velocity alone."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..objective import Moment
from ..rng import Rng
from .options import MeanFlowOptions
from .tangent import Tangent
from .whole_steps import WholeSteps, ratio


class MeanFlow(WholeSteps):
    """The mean flow identity   (Geng et al. 2025, arXiv:2505.13447, Eq. 6).

    With the velocity v = (x - x0) / t and the mean velocity u = (x - g) / t, the identity u = v -
    (t - s) du/dt becomes g = (s/t) x0 + (1 - s/t) (g - dg / d ln t). At s = t that is denoising, and
    at s = 0 it says that g does not change along the trajectory.
    """

    options: MeanFlowOptions

    def __init__(self, options: MeanFlowOptions, context: Context) -> None:
        super().__init__(options, context)
        self.tangent = Tangent()

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        n = len(batch)
        one, other = (self.process.density.draw(n, rng) for _ in range(2))
        kind = rng.uniform((n,))
        t, s = torch.maximum(one, other), torch.minimum(one, other)
        s = torch.where(kind < self.options.to_data, 0.0, s)
        s = torch.where(kind > 1 - self.options.instant, t, s)
        noisy = self.noised(batch, rng, t)
        x0 = self.instant(noisy, batch)
        found, slope = self.tangent(self.estimator(noisy, s), noisy.x, t, x0)
        r = ratio(s, t, x0)
        target = r * x0 + (1 - r) * (found - slope)
        return self.scaled(t, self.mean_square(self.jump(noisy, s) - target, batch))
