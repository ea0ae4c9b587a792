"""Preconditioning: how the input, the output and the noise level of the network are scaled.

D(x; sigma) = skip * x + out * F(in * x; noise)   (Karras et al. 2022, arXiv:2206.00364, Eq. 7)

Every affine path x_t = a x0 + s eps, divided by a, is x = x0 + sigma eps with sigma = s / a. So a
formulation is four coefficients, and ``in * x`` is x_t of that path. ``noise`` is of order one in
every row, so one embedding serves all rows.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

import torch
from torch import Tensor

from .degradation import Degradation, degradation
from .options import ColdOptions, EdmOptions, PathOptions
from .process import Coefficients, Preconditioning, Schedule


class _Row(Preconditioning, ABC):
    def __init__(self, options: EdmOptions | PathOptions, schedule: Schedule) -> None:
        self.sigma_data = options.sigma_data
        self.schedule = schedule

    def time(self, sigma: Tensor) -> Tensor:
        """The schedule's time in [0, 1]: DDPM's discrete step, as a share of all steps."""
        return self.schedule.time(sigma).to(sigma.dtype)


class Edm(_Row):
    """Input and target have unit variance at every level.

    Karras et al. 2022, Table 1 and App. B.6.
    """

    def coefficients(self, sigma: Tensor) -> Coefficients:
        sd = self.sigma_data
        total = (sigma.square() + sd**2).sqrt()
        return Coefficients(
            skip=(sd / total).square(), out=sigma * sd / total, in_=1 / total, noise=sigma.log() / 4
        )


class Eps(_Row):
    """F predicts the noise eps of the variance-preserving path.

    Ho et al. 2020, arXiv:2006.11239.
    """

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = (1 + sigma.square()).rsqrt()
        return Coefficients(
            skip=torch.ones_like(sigma), out=-sigma, in_=in_, noise=self.time(sigma)
        )


class Score(_Row):
    """F predicts std times the score of the path   (Song et al. 2021, arXiv:2011.13456, App. C).

    The score of z = a x0 + s eps is (a D - z) / s^2, so s times it is (D - x) / sigma.
    """

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = (1 + sigma.square()).rsqrt()
        return Coefficients(skip=torch.ones_like(sigma), out=sigma, in_=in_, noise=self.time(sigma))


class V(_Row):
    """F predicts v = a eps - s x0 of the variance-preserving path.

    Salimans & Ho 2022, arXiv:2202.00512.
    """

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = (1 + sigma.square()).rsqrt()
        return Coefficients(skip=in_.square(), out=-sigma * in_, in_=in_, noise=self.time(sigma))


class Flow(_Row):
    """F predicts the velocity eps - x0 of the path (1 - t) x0 + t eps, t = sigma / (1 + sigma).

    Liu et al. 2022, arXiv:2209.03003.
    """

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = 1 / (1 + sigma)
        t = sigma * in_
        return Coefficients(skip=in_, out=-t, in_=in_, noise=t)


class X0(_Row):
    """F predicts the clean example itself."""

    def coefficients(self, sigma: Tensor) -> Coefficients:
        in_ = (sigma.square() + self.sigma_data**2).rsqrt()
        skip, out = torch.zeros_like(sigma), torch.ones_like(sigma)
        return Coefficients(skip, out, in_, noise=sigma.log() / 4)


class Cold(_Row):
    """F restores a degraded example, whose noise level is the severity of its degradation.

    Bansal et al. 2022, arXiv:2208.09392, Sec. 3.1.
    """

    def __init__(self, options: ColdOptions, schedule: Schedule) -> None:
        self.options, self.sigma_data, self.schedule = options, options.sigma_data, schedule

    def coefficients(self, sigma: Tensor) -> Coefficients:
        one, zero = torch.ones_like(sigma), torch.zeros_like(sigma)
        return Coefficients(zero, one * self.sigma_data, one / self.sigma_data, noise=sigma)

    def degradation(self, shape: Sequence[int | None]) -> Degradation:
        options = self.options
        improved = options.algorithm == "improved"
        return degradation(options.degradation, shape, improved, options.jitter)
