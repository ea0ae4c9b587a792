"""Densities: which noise levels are trained on, each given by its quantile function."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from ..errors import UsageError
from ..rng import Rng
from .options import DensityOptions, LogNormalOptions
from .process import Density, Schedule

LEAST = 1e-9
"""Share of all draws that a range must have: of less, double precision could not tell the quantiles apart."""


class _Quantile(Density):
    """Inverse-transform sampling, clipped to the schedule's range: no sampler visits levels outside of it.

    Within ``low`` and ``high`` the levels are those of the whole density that fall there: its quantiles of u in [F(low), F(high)], F being
    the share of draws that lie below a level   (Devroye 1986, Non-Uniform Random Variate Generation, II.2).
    """

    def __init__(self, options: DensityOptions, schedule: Schedule) -> None:
        self.schedule = schedule
        self.stratified = options.stratified
        self.low, self.high = options.low, math.inf if options.high is None else options.high
        self._shares = self._bounds()

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """``u [n]`` in [0, 1] -> the level that a share ``u`` of all draws lies below."""

    @abstractmethod
    def share(self, sigma: float) -> float:
        """The share of all draws that lie below a level: the inverse of ``quantile``."""

    def draw(self, n: int, rng: Rng) -> Tensor:
        u = rng.uniform((n,))
        if self.stratified:  # Kingma et al. 2021, arXiv:2107.00630, App. I.1: each level is uniform, together they are evenly spread
            u = (u[:1] + torch.arange(n, device=u.device) / n) % 1
        return self._within(u).clamp(max(self.low, self.schedule.sigma_min), min(self.high, self.schedule.sigma_max)).float()

    def _within(self, u: Tensor) -> Tensor:
        """The levels of the range that ``u`` stands for."""
        first, last = self._shares
        if (first, last) == (0.0, 1.0):
            return self.quantile(u)
        wide = u if u.device.type == "mps" else u.double()  # far from the middle shares differ in their last digits alone
        return self.quantile(first + wide * (last - first))

    def _bounds(self) -> tuple[float, float]:
        """The shares of all draws below ``low`` and below ``high``. What is clipped lies at the schedule's ends, and so in a range that has them."""
        first = self.share(self.low) if self.low > self.schedule.sigma_min else 0.0
        last = self.share(self.high) if self.high < self.schedule.sigma_max else 1.0
        outside = self.high <= self.schedule.sigma_min or self.low >= self.schedule.sigma_max
        if outside or last - first < LEAST:
            told = f"above {self.low:g}" + (f" and below {self.high:g}" if self.high < math.inf else "")
            raise UsageError(
                f"There is nothing to train on: the density draws no noise levels {told}. Choose density.low and density.high within "
                f"{self.schedule.sigma_min:g} and {self.schedule.sigma_max:g}, the schedule's ends, and where the density has its levels."
            )
        return first, last


class Uniform(_Quantile):
    """Uniform in the schedule's time."""

    def quantile(self, u: Tensor) -> Tensor:
        return self.schedule.sigma(u)

    def share(self, sigma: float) -> float:
        return self.schedule.time(torch.tensor([sigma], dtype=torch.float64)).item()


class LogNormal(_Quantile):
    """ln sigma ~ N(p_mean, p_std^2)   (Karras et al. 2022, Table 1).

    As logit(sigma / (1 + sigma)) = ln sigma, this is also SD3's logit-normal in flow time (Esser et al. 2024, arXiv:2403.03206).
    """

    def __init__(self, options: LogNormalOptions, schedule: Schedule) -> None:
        self.mean, self.std = options.p_mean, options.p_std
        super().__init__(options, schedule)

    def quantile(self, u: Tensor) -> Tensor:
        return (self.mean + self.std * math.sqrt(2) * torch.erfinv(2 * u - 1)).exp()

    def share(self, sigma: float) -> float:
        return math.erfc((self.mean - math.log(sigma)) / (self.std * math.sqrt(2))) / 2
