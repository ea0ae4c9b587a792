"""Consistency training from scratch, with the improved techniques."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..batch import Batch
from ..objective import Moment, Noised
from ..rng import Rng
from .consistency import Consistency
from .options import ImprovedConsistencyOptions


class ImprovedConsistency(Consistency):
    """iCT (Song & Dhariwal 2023, arXiv:2310.14189, Table 1): neighbours of a grid that gets finer.

    The number of levels doubles in stages from ``first`` to ``last``. The pair of neighbours is
    drawn by the density of its upper level; errors count by the pseudo-Huber loss and 1 / (t - r).
    """

    options: ImprovedConsistencyOptions  # type: ignore[assignment]  # other settings of the pair

    def noised(self, batch: Batch, rng: Rng, sigma: Tensor | None = None) -> Noised:
        if sigma is None:
            sigma = self.process.density.draw(len(batch), rng)
            sigma = sigma.clamp(self.process.schedule.sigma_min, self.process.schedule.sigma_max)
        return super().noised(batch, rng, sigma)

    def lower(self, t: Tensor, moment: Moment) -> Tensor:
        """The level one part of the grid below t; 0 where that is below the lowest.

        Even parts of sigma^(1/7), as in the paper, wherever the pair begins.
        """
        low, high = (
            level ** (1 / RHO)
            for level in (self.process.schedule.sigma_min, self.process.schedule.sigma_max)
        )
        r = (t ** (1 / RHO) - (high - low) / self.parts(moment)).clamp_min(0) ** RHO
        return torch.where(r > self.process.schedule.sigma_min, r, 0.0)

    def parts(self, moment: Moment) -> int:
        """N(k) = min(first 2^floor(k / K'), last)   (Eq. 15)."""
        first, last = self.options.first, self.options.last
        doublings = math.floor(math.log2(last / first)) + 1
        return min(first * 2 ** (doublings * moment.step // moment.steps), last)


RHO = 7.0
