"""Densities of training noise levels, each defined by its quantile function."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from ..errors import UsageError
from ..rng import Rng
from .options import DensityOptions, DiscreteOptions, LogNormalOptions
from .process import Density, Schedule

LEAST = 1e-9
"""Smallest share of all draws that a range may have: below it, quantiles coincide in float64."""


class _Quantile(Density):
    """Inverse-transform sampling, clipped to the schedule's range, because no sampler leaves it.

    The range from ``low`` to ``high`` truncates the density: the levels are its quantiles of u in
    [F(low), F(high)], where F is the cumulative distribution
    (Devroye 1986, Non-Uniform Random Variate Generation, II.2).
    """

    def __init__(self, options: DensityOptions, schedule: Schedule) -> None:
        self.schedule = schedule
        self.stratified = options.stratified
        self.low, self.high = options.low, math.inf if options.high is None else options.high
        self._shares = self._bounds()

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """``u [n]`` in [0, 1] -> levels ``[n]`` that a share ``u`` of all draws lies below."""

    @abstractmethod
    def share(self, sigma: float) -> float:
        """The share of all draws below ``sigma``: the inverse of ``quantile``."""

    def draw(self, n: int, rng: Rng) -> Tensor:
        u = rng.uniform((n,))
        if self.stratified:
            # each level is uniform, and one batch is evenly spread (Kingma et al. 2021,
            # arXiv:2107.00630, App. I.1)
            u = (u[:1] + torch.arange(n, device=u.device) / n) % 1
        low = max(self.low, self.schedule.sigma_min)
        high = min(self.high, self.schedule.sigma_max)
        return self._within(u).clamp(low, high).float()

    def _within(self, u: Tensor) -> Tensor:
        """The levels at the quantiles ``u`` of the range."""
        first, last = self._shares
        if (first, last) == (0.0, 1.0):
            return self.quantile(u)
        # in the tails, shares differ in their last digits only
        wide = u if u.device.type == "mps" else u.double()
        return self.quantile(first + wide * (last - first))

    def _bounds(self) -> tuple[float, float]:
        """The shares of all draws below ``low`` and below ``high``.

        Clipped draws lie at the schedule's ends, so a range that includes an end includes them.
        """
        first = self.share(self.low) if self.low > self.schedule.sigma_min else 0.0
        last = self.share(self.high) if self.high < self.schedule.sigma_max else 1.0
        outside = self.high <= self.schedule.sigma_min or self.low >= self.schedule.sigma_max
        if outside or last - first < LEAST:
            levels = f"above {self.low:g}" + (
                f" and below {self.high:g}" if self.high < math.inf else ""
            )
            raise UsageError(
                f"The density draws no noise levels {levels}. Choose density.low and density.high "
                f"between {self.schedule.sigma_min:g} and {self.schedule.sigma_max:g}, the ends of "
                "the schedule, and where the density has most of its levels: training needs noise "
                "levels."
            )
        return first, last


class Uniform(_Quantile):
    """Uniform in the schedule's time."""

    def quantile(self, u: Tensor) -> Tensor:
        return self.schedule.sigma(u)

    def share(self, sigma: float) -> float:
        return self.schedule.time(torch.tensor([sigma], dtype=torch.float64)).item()


class Discrete(Uniform):
    """Uniform over the T times k / (T - 1) of a table.

    Ho et al. 2020, arXiv:2006.11239, Alg. 1.
    """

    def __init__(self, options: DiscreteOptions, schedule: Schedule) -> None:
        self.levels = options.levels
        super().__init__(options, schedule)

    def quantile(self, u: Tensor) -> Tensor:
        k = (u * self.levels).floor().clamp(max=self.levels - 1)
        return self.schedule.sigma(k / (self.levels - 1))


class LogNormal(_Quantile):
    """ln sigma ~ N(p_mean, p_std^2)   (Karras et al. 2022, Table 1).

    As logit(sigma / (1 + sigma)) = ln sigma, this is also SD3's logit-normal in flow time
    (Esser et al. 2024, arXiv:2403.03206).
    """

    def __init__(self, options: LogNormalOptions, schedule: Schedule) -> None:
        self.mean, self.std = options.p_mean, options.p_std
        super().__init__(options, schedule)

    def quantile(self, u: Tensor) -> Tensor:
        return (self.mean + self.std * math.sqrt(2) * torch.erfinv(2 * u - 1)).exp()

    def share(self, sigma: float) -> float:
        return math.erfc((self.mean - math.log(sigma)) / (self.std * math.sqrt(2))) / 2
