"""Remake: the example is made again with the noise of its own, under other conditions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..edit import Edit, Given, Start
from ..sampler import Denoise
from ..samplers.ancestral import ancestral_step, posterior_std
from .options import RemakeOptions


class Remake(Edit):
    """Edit-friendly inversion for stochastic samplers (Huberman-Spiegelglas et al. 2024,
    arXiv:2304.06140, Alg. 1).

    Noisy versions x0 + sigma_t eps_t with an eps_t of its own at each level are joined by the noise
    z_t that the ancestral sampler would have to add to go from one to the next. With these z_t it
    makes the example again; under other conditions it changes what they mean and keeps the layout.
    """

    options: RemakeOptions
    sampler = "euler_ancestral"

    def start(self, given: Given) -> Start:
        steps = len(given.sigmas) - 1
        taken = max(1, round(self.options.strength * steps))
        sigmas = given.sigmas[steps - taken :]
        levels = [
            given.x + sigma * (given.another(k) if k else given.noise)
            for k, sigma in enumerate(sigmas[:-1])
        ]
        found = dict(zip(pairwise(sigmas), _joining(given.describe, levels, sigmas), strict=False))
        return Start(levels[0], sigmas, lambda sigma, lower: found[sigma, lower])


def _joining(denoise: Denoise, levels: Sequence[Tensor], sigmas: Sequence[float]) -> list[Tensor]:
    """z_t = (x_{t-1} - mu_t(x_t)) / sigma_up   (Eq. 5), for all steps but the last."""
    found = []
    for x, lower, (sigma, sigma_next) in zip(levels, levels[1:], pairwise(sigmas), strict=False):
        none = torch.zeros_like(x)
        mean = ancestral_step(x, denoise(x, sigma), sigma, sigma_next, 1.0, lambda *_: none)  # noqa: B023
        found.append((lower - mean) / posterior_std(sigma, sigma_next))
    return found
