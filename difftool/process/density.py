"""Densities: which noise levels are trained on, each given by its quantile function."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from ..rng import Rng
from .options import LogNormalOptions, UniformOptions
from .process import Density, Schedule


class _Quantile(Density):
    """Inverse-transform sampling, clipped to the schedule's range: no sampler visits levels outside of it."""

    def __init__(self, options: UniformOptions | LogNormalOptions, schedule: Schedule) -> None:
        self.schedule = schedule
        self.stratified = options.stratified

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """``u [n]`` in [0, 1] -> the level that a share ``u`` of all draws lies below."""

    def draw(self, n: int, rng: Rng) -> Tensor:
        u = rng.uniform((n,))
        if self.stratified:  # Kingma et al. 2021, arXiv:2107.00630, App. I.1: each level is uniform, together they are evenly spread
            u = (u[:1] + torch.arange(n, device=u.device) / n) % 1
        return self.quantile(u).clamp(self.schedule.sigma_min, self.schedule.sigma_max).float()


class Uniform(_Quantile):
    """Uniform in the schedule's time."""

    def quantile(self, u: Tensor) -> Tensor:
        return self.schedule.sigma(u)


class LogNormal(_Quantile):
    """ln sigma ~ N(p_mean, p_std^2)   (Karras et al. 2022, Table 1).

    As logit(sigma / (1 + sigma)) = ln sigma, this is also SD3's logit-normal in flow time (Esser et al. 2024, arXiv:2403.03206).
    """

    def __init__(self, options: LogNormalOptions, schedule: Schedule) -> None:
        super().__init__(options, schedule)
        self.mean, self.std = options.p_mean, options.p_std

    def quantile(self, u: Tensor) -> Tensor:
        return (self.mean + self.std * math.sqrt(2) * torch.erfinv(2 * u - 1)).exp()
