"""Diffusions as stochastic differential equations: dz = f(t) z dt + g(t) dw   (Song et al. 2021).

A diffusion with these coefficients has the marginal z = a(t) x0 + s(t) eps. Divided by a it is
x = x0 + sigma eps with sigma = s / a, so it is a schedule of noise levels, and every sampler, the
reverse diffusion, the probability-flow ODE and the likelihood follow from D at these levels.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from .options import SubVpOptions, VeOptions, VpOptions
from .schedule import Warped


class Marginal(NamedTuple):
    """z = scale * x0 + std * eps, each ``[n]``."""

    scale: Tensor
    std: Tensor


class Sde(Warped):
    """A diffusion on t_min <= t <= 1; as a schedule, it visits evenly spaced times and t_min.

    Song et al. 2021, arXiv:2011.13456, Sec. 3. All functions take times ``[n]`` and give ``[n]``.
    """

    visits_min = True

    def __init__(self, t_min: float) -> None:
        ends = self.marginal(torch.tensor([t_min, 1.0], dtype=torch.float64))
        super().__init__(*(ends.std / ends.scale).tolist())

    @abstractmethod
    def drift(self, t: Tensor) -> Tensor:
        """f(t): the drift is f(t) z."""

    @abstractmethod
    def diffusion(self, t: Tensor) -> Tensor:
        """g(t)."""

    @abstractmethod
    def marginal(self, t: Tensor) -> Marginal:
        """The mean and the standard deviation of z at t, given x0."""

    def unwarp(self, w: Tensor) -> Tensor:
        scale, std = self.marginal(w)
        return std / scale

    def reverse(self, z: Tensor, t: Tensor, x0: Tensor, noise: float = 1.0) -> Tensor:
        """The drift f z - (1 + noise^2) / 2 g^2 score of the reverse diffusion   (Eq. 6).

        With ``noise`` 0 it is the probability-flow ODE (Eq. 13).

        Args:
            x0: the estimate D, which gives the score (a x0 - z) / s^2.
        """
        scale, std = self.marginal(t)
        score = (scale * x0 - z) / std.square()
        return self.drift(t) * z - (1 + noise**2) / 2 * self.diffusion(t).square() * score


class Ve(Sde):
    """Variance exploding: sigma grows exponentially   (Song et al. 2021, Eq. 30)."""

    def __init__(self, options: VeOptions) -> None:
        self.low, self.growth = options.sigma_min, options.sigma_max / options.sigma_min
        super().__init__(0.0)

    def drift(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def diffusion(self, t: Tensor) -> Tensor:
        rate = torch.tensor(self.growth, dtype=torch.float64).log().item()
        return self.marginal(t).std * (2 * rate) ** 0.5

    def marginal(self, t: Tensor) -> Marginal:
        return Marginal(torch.ones_like(t), self.low * self.growth**t)

    def warp(self, sigma: Tensor) -> Tensor:
        return (sigma / self.low).log() / torch.tensor(self.growth, dtype=sigma.dtype).log()


class Vp(Sde):
    """Variance preserving: DDPM in continuous time   (Song et al. 2021, Eq. 32 and 33)."""

    def __init__(self, options: VpOptions) -> None:
        self.beta_0, self.beta_1 = options.beta_min, options.beta_max
        super().__init__(options.t_min)

    def beta(self, t: Tensor) -> Tensor:
        """The rate, which grows linearly."""
        return self.beta_0 + t * (self.beta_1 - self.beta_0)

    def integral(self, t: Tensor) -> Tensor:
        """B(t), the integral of beta from 0 to t."""
        return self.beta_0 * t + (self.beta_1 - self.beta_0) * t.square() / 2

    def time_of(self, integral: Tensor) -> Tensor:
        """The inverse of ``integral``; no difference of near numbers where B is small."""
        growth = self.beta_1 - self.beta_0
        return 2 * integral / (self.beta_0 + (self.beta_0**2 + 2 * growth * integral).sqrt())

    def drift(self, t: Tensor) -> Tensor:
        return -self.beta(t) / 2

    def diffusion(self, t: Tensor) -> Tensor:
        return self.beta(t).sqrt()

    def marginal(self, t: Tensor) -> Marginal:
        b = self.integral(t)
        return Marginal((-b / 2).exp(), (-torch.expm1(-b)).sqrt())

    def warp(self, sigma: Tensor) -> Tensor:
        return self.time_of(torch.log1p(sigma.square()))


class SubVp(Vp):
    """Less variance than VP at every time   (Song et al. 2021, Eq. 34)."""

    def __init__(self, options: SubVpOptions) -> None:
        super().__init__(options)

    def diffusion(self, t: Tensor) -> Tensor:
        return (self.beta(t) * -torch.expm1(-2 * self.integral(t))).sqrt()

    def marginal(self, t: Tensor) -> Marginal:
        b = self.integral(t)
        return Marginal((-b / 2).exp(), -torch.expm1(-b))

    def warp(self, sigma: Tensor) -> Tensor:
        return self.time_of(2 * torch.asinh(sigma / 2))  # sigma = 2 sinh(B / 2)
