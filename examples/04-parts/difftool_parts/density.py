"""A density: which noise levels are trained on."""

import torch

from difftool import Density


class Peaked(Density):
    """ln sigma is Laplace distributed (Hang et al. 2024, arXiv:2407.03297, Table 1).

    Levels outside the schedule are drawn at its ends, because samplers visit no others.
    """

    def __init__(self, options, schedule):
        self.options, self.schedule = options, schedule

    def draw(self, n, rng):
        u = rng.uniform((n,)) - 0.5
        spread = self.options.scale * u.sign() * torch.log1p(-2 * u.abs()).neg()
        sigma = (self.options.center + spread).exp()
        return sigma.clamp(self.schedule.sigma_min, self.schedule.sigma_max)
