"""Vary: noise up to a level, and back (SDEdit, Meng et al. 2022, arXiv:2108.01073, Alg. 1)."""

from __future__ import annotations

from ..edit import Edit, Given, Start
from .options import VaryOptions


class Vary(Edit):
    """x0 + sigma eps at the level at which ``strength`` of the steps are left."""

    options: VaryOptions

    def start(self, given: Given) -> Start:
        steps = len(given.sigmas) - 1
        taken = round(self.options.strength * steps)
        if taken == steps:
            return Start(given.noise * given.sigmas[0], given.sigmas)
        sigmas = given.sigmas[steps - taken :]
        return Start(given.x + sigmas[0] * given.noise, sigmas)
