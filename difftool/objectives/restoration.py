"""Restoration: the loss of cold diffusion."""

from __future__ import annotations

from torch import Tensor

from ..batch import Batch
from ..objective import Denoising, Moment, remembered
from ..rng import Rng


class Restoration(Denoising):
    """E |D(x) - x0|, the absolute error   (Bansal et al. 2022, arXiv:2208.09392, Sec. 3.1)."""

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        memory = remembered(self.denoiser, noisy, moment)
        error = (self.denoiser.estimate(*noisy, memory) - batch.x).abs()
        if batch.observed is not None:
            error = error.where(~batch.observed, 0.0)
        return self.space.mean(error, batch.mask)
