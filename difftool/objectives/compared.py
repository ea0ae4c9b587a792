"""Objectives that compare a student's samples with examples, both of them under noise."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..batch import Batch
from ..objective import Noised
from ..rng import Rng
from .few import levels_within
from .options import ComparedOptions
from .taught import Taught


class Compared(Taught):
    """An objective that makes a student's samples noisy again, as the data are made in training."""

    options: ComparedOptions

    def again(self, x: Tensor, cond: Mapping[str, Tensor], batch: Batch, rng: Rng) -> Noised:
        """Examples or samples ``x`` with noise of levels uniform in the schedule's time.

        Args:
            cond: their conditions, which are not dropped again.
            batch: which entries are real, and which given.
        """
        lowest, highest = self.options.lowest, self.options.highest
        sigma = levels_within(self.process.schedule, lowest, highest, len(batch), rng)
        clean = Batch(x, batch.cond, batch.mask, batch.observed, batch.noise_free)
        return self.noised(clean, rng, sigma)._replace(cond=cond)
