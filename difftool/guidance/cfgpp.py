"""CFG++: the guided estimate, with the unconditional noise."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from ..denoiser import Cond, D
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance, Sampling
from .options import CfgppOptions
from .pair import pair


class CfgPlusPlus(Guidance):
    """x0 = D(null) + scale (D(cond) - D(null)), renoised with the unconditional eps.

    Chung et al. 2024, arXiv:2406.08070, Alg. 2 and Eq. 11. A sampler renoises with the eps of the
    estimate that it is given. A step of DDIM from sigma to sigma_next is the same with

        x0 = D(null) + scale / (1 - sigma_next / sigma) (D(cond) - D(null)),

    so this is what it is given. It needs the next level, and is exact for samplers of one
    evaluation a step; others evaluate between the levels, and get the nearest level below.
    """

    options: CfgppOptions

    def __init__(self, options: CfgppOptions, sigmas: Sequence[float] = (0.0,)) -> None:
        super().__init__(options)
        self._sigmas = tuple(sigmas)

    def prepare(self, sampling: Sampling) -> Guidance:
        return CfgPlusPlus(self.options, sampling.sigmas)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        both = pair(denoiser, cond, mask, kept)
        if both is None:
            return bind(denoiser, cond, mask)

        def denoise(x: Tensor, sigma: float) -> Tensor:
            given, free = both(x, sigma)
            return torch.lerp(free, given, self.options.scale / (1 - self.next(sigma) / sigma))

        return denoise

    def next(self, sigma: float) -> float:
        """The next level that the sampler visits, below this one by more than rounding."""
        return next((level for level in self._sigmas if level < sigma * (1 - 1e-6)), 0.0)
