"""Reflow: denoising of the teacher's own examples, each with the noise that it came from."""

from __future__ import annotations

from torch import Tensor

from ..batch import Batch
from ..objective import Moment, Noised
from ..rng import Rng
from ..shapes import expand_as
from .options import ReflowOptions
from .taught import Taught


class Reflow(Taught):
    """A round of rectified flow (Liu et al. 2022, arXiv:2209.03003, Alg. 1).

    The teacher's flow leads from noise eps to an example. Denoising x0 + sigma eps with this eps
    makes straighter paths to the same ends, of which few steps are enough. Another round takes the
    student for its teacher.
    """

    options: ReflowOptions
    reads_examples = False

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        start = self.started(batch, rng)
        levels = self.process.schedule.sigmas(self.options.solver_steps)
        end = self.settled(self.trajectory(start, batch, levels)[-1], batch)
        sigma = self.process.density.draw(len(batch), rng)
        noise = (start.x - end) / expand_as(start.sigma, end)
        x = end + expand_as(sigma, end) * noise
        if batch.observed is not None and batch.noise_free:
            x = self.space.keep(x, batch.x, batch.observed, batch.mask)
        noisy = Noised(x, sigma, start.cond, batch.mask)
        return self.weighted(sigma, self.mean_square(self.denoiser(*noisy) - end, batch))
