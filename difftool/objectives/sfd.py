"""Simple and fast distillation: the student follows few points of the teacher's trajectory."""

from __future__ import annotations

import torch
from torch import Tensor

from ..batch import Batch
from ..objective import Moment
from ..rng import Rng
from .few import between, stepped_to
from .options import SfdOptions
from .taught import Taught


class Sfd(Taught):
    """The steps of a sampler of few steps shall end where the teacher's trajectory passes.

    Zhou et al. 2024, arXiv:2409.19681, Alg. 1. Each step starts where the student's own step before
    it ended, without a gradient, so that the student corrects its own errors. No data are needed
    but conditions.

    With one evaluation it is the distillation of InstaFlow (Liu et al. 2023, arXiv:2309.06380,
    Eq. 6), which follows a round of ``reflow``.
    """

    options: SfdOptions
    reads_examples = False

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        sigmas = self.process.schedule.sigmas(self.options.evaluations)
        substeps = self.options.substeps
        finer = between(self.process.schedule, sigmas, substeps)
        now = self.started(batch, rng)
        passed = self.trajectory(now, batch, finer)[substeps - 1 :: substeps]
        total = torch.zeros(len(batch), device=batch.x.device)
        for point, level in zip(passed, sigmas[1:], strict=True):
            s = torch.full_like(now.sigma, level)
            estimate = self.denoiser(*now)
            reached = stepped_to(now.x, estimate, now.sigma, s)
            # (1 - s/t) is how far an error of the estimate goes: unit weight on the estimate
            scale = (1 - s / now.sigma).square()
            error = self.mean_square(reached - point, batch) / scale
            total = total + (error + EPSILON).sqrt()
            found = self.settled(estimate.detach(), batch)
            now = now._replace(x=stepped_to(now.x, found, now.sigma, s), sigma=s)
        return total / len(passed)


EPSILON = 1e-6
"""Keeps the gradient of the root finite."""
