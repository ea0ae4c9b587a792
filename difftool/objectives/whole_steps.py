"""Objectives that learn whole steps: from any level t to any level s, in one evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..batch import Batch
from ..objective import Noised
from ..shapes import expand_as
from .few import stepped_to
from .taught import Taught


class WholeSteps(Taught):
    """The network is told where a step ends: g(x; t, s), with x_s = (s/t) x + (1 - s/t) g.

    At s = t it is the denoiser, and at s = 0 the end of the trajectory. (x - g) / t is the mean
    velocity between t and s. The boundary condition x_s = x at s = t holds by construction.

    Without a teacher it learns from the data.
    """

    told = ("end",)
    alone = True

    def jump(self, noisy: Noised, s: Tensor) -> Tensor:
        """g(x; t, s): the estimate that leads to level s, ``[b, ...]``."""
        return self.estimator(noisy, s)(noisy.x, noisy.sigma)

    def estimator(self, noisy: Noised, s: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """g as a function of x and t."""
        signals = replace(self.denoiser.signals(noisy.cond), end=s)
        return lambda x, t: self.denoiser(x, t, signals, noisy.mask)

    def landed(self, noisy: Noised, s: Tensor, batch: Batch) -> Noised:
        """Where the network's step from t leads, at level s."""
        found = self.settled(self.jump(noisy, s), batch)
        return noisy._replace(x=stepped_to(noisy.x, found, noisy.sigma, s), sigma=s)

    def instant(self, noisy: Noised, batch: Batch) -> Tensor:
        """What g shall be at s = t: the teacher's estimate, or without one the example itself."""
        return self.taught(noisy, batch) if self.options.teacher else batch.x

    def level(self, time: Tensor) -> Tensor:
        """The level of a time of the schedule, ``[n]``; 0 at time 0."""
        return torch.where(time > 0, self.process.schedule.sigma(time.double()).float(), 0.0)

    def scaled(self, t: Tensor, error: Tensor) -> Tensor:
        """The loss of mean squared errors of g: outliers count by their root."""
        weight, c = self.process.weighting.weight(t), HUBER
        return 2 * c * ((weight * error + c**2).sqrt() - c)


HUBER = 0.3
"""Root mean square of the weighted error, of order one, above which errors count by their root."""


def ratio(s: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """s / t, to broadcast against x."""
    return expand_as(s / t, x)
