"""The rows of the table: how the network wants to be spoken to.

D(x; sigma) = skip * x + out * F(in * x; noise)   (Karras et al. 2022, arXiv:2206.00364, Eq. 7)

Every affine path x_t = a x0 + s eps, divided by a, is x = x0 + sigma eps with sigma = s / a; so a formulation is four
coefficients, and ``in * x`` is the path's own x_t. ``noise`` is of order one in every row: one embedding serves all.
"""

from __future__ import annotations

from abc import ABC

from torch import Tensor

from .options import EdmOptions, PathOptions
from .process import Coefficients, Preconditioning, Schedule


class _Row(Preconditioning, ABC):
    def __init__(self, options: EdmOptions | PathOptions, schedule: Schedule) -> None:
        self.sigma_data = options.sigma_data
        self.schedule = schedule

    def time(self, sigma: Tensor) -> Tensor:
        """The schedule's time in [0, 1]: DDPM's discrete step, as a share of all steps."""
        return self.schedule.time(sigma).to(sigma.dtype)


class Edm(_Row):
    """Input and target have unit variance at every level (Karras et al. 2022, Table 1 and App. B.6)."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        sd = self.sigma_data
        total = (sigma.square() + sd**2).sqrt()
        return Coefficients(skip=(sd / total).square(), out=sigma * sd / total, in_=1 / total, noise=sigma.log() / 4)


class Eps(_Row):
    """F predicts the noise eps of the variance-preserving path (Ho et al. 2020, arXiv:2006.11239)."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        return Coefficients(skip=sigma.new_ones(sigma.shape), out=-sigma, in_=(1 + sigma.square()).rsqrt(), noise=self.time(sigma))


class V(_Row):
    """F predicts v = a eps - s x0 of the variance-preserving path (Salimans & Ho 2022, arXiv:2202.00512)."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = (1 + sigma.square()).rsqrt()
        return Coefficients(skip=in_.square(), out=-sigma * in_, in_=in_, noise=self.time(sigma))


class Flow(_Row):
    """F predicts the velocity eps - x0 of the path (1 - t) x0 + t eps   (Liu et al. 2022, arXiv:2209.03003), t = sigma / (1 + sigma)."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = 1 / (1 + sigma)
        t = sigma * in_
        return Coefficients(skip=in_, out=-t, in_=in_, noise=t)


class X0(_Row):
    """F predicts the clean example itself."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = (sigma.square() + self.sigma_data**2).rsqrt()
        return Coefficients(skip=sigma.new_zeros(sigma.shape), out=sigma.new_ones(sigma.shape), in_=in_, noise=sigma.log() / 4)
