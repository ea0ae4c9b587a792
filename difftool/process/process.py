"""Process and its four columns (Karras et al. 2022, arXiv:2206.00364, Table 1)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..rng import Rng
from .degradation import Degradation


class Coefficients(NamedTuple):
    """D(x; sigma) = skip * x + out * F(in_ * x; noise), each ``[b]``   (Eq. 7)."""

    skip: Tensor
    out: Tensor
    in_: Tensor
    noise: Tensor


class Schedule(ABC):
    """Noise level as a function of time, t = 0 (clean) to t = 1 (noise). Computed in float64.

    Attributes:
        sigma_min, sigma_max: the lowest and the highest level, in model units.
    """

    sigma_min: float
    sigma_max: float

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """``[n] -> [n]``, increasing, from sigma_min to sigma_max."""

    @abstractmethod
    def time(self, sigma: Tensor) -> Tensor:
        """``[n] -> [n]``, the inverse of ``sigma``, clamped to [0, 1]."""

    @abstractmethod
    def sigmas(self, n: int) -> list[float]:
        """The n + 1 levels that a sampler of n steps visits; they decrease, and the last is 0."""


class Preconditioning(ABC):
    """One row of the table: how the network's input, output and noise level are scaled.

    Attributes:
        sigma_data: the standard deviation of the data in model units that the row assumes. The
            core's rows take it from their options; weightings read it here.
    """

    sigma_data: float

    @abstractmethod
    def coefficients(self, sigma: Tensor) -> Coefficients:
        """``sigma [b] > 0`` -> the four coefficients ``[b]``; ``noise`` is of order one."""

    def degradation(self, shape: Sequence[int | None]) -> Degradation | None:
        """What takes the place of noise for encoded examples of this shape; None for noise.

        Sampling then starts and solves as it says, and the sampler in the configuration is not used.
        """
        del shape
        return None

    def amplifies(self, sigma: float) -> bool:
        """Whether an error of the network becomes larger in x0 than the data are: |out| > 1.

        There estimates must be kept where the data lie, or a sampler follows them far away.
        """
        out = self.coefficients(torch.tensor([sigma], dtype=torch.float64)).out
        return abs(out.item()) > max(1.0, self.sigma_data)


class Density(ABC):
    """Which noise levels are trained on.

    Attributes:
        low, high: levels outside these are not drawn, except the ends of the schedule. The default
            is the whole range.
    """

    low: float = 0.0
    high: float = math.inf

    @abstractmethod
    def draw(self, n: int, rng: Rng) -> Tensor:
        """``[n]`` noise levels, float32, on the device of ``rng``."""


class Weighting(ABC):
    """lambda(sigma): how much the squared error of D counts at each noise level.

    It is built with (options, preconditioning). One that is an ``nn.Module`` as well learns
    together with the denoiser, which holds it.
    """

    @abstractmethod
    def weight(self, sigma: Tensor) -> Tensor:
        """``[b] -> [b]``; a constant to gradients."""

    def loss(self, sigma: Tensor, weighted: Tensor) -> Tensor:
        """The loss of weighted squared errors of D, ``[b]``; one that learns adds to it."""
        del sigma
        return weighted


@dataclass(frozen=True, slots=True)
class Process:
    """The four columns together: what an objective knows of noise.

    Attributes:
        preconditioning: the coefficients of the denoiser, and ``sigma_data``.
        density: ``draw(n, rng)`` gives the noise levels ``[n]`` to train on.
        weighting: ``weight(sigma)`` gives the weight ``[b]`` of the squared error of D, and
            ``loss(sigma, weighted)`` the loss of such weighted errors.
        schedule: the range of noise levels, and the levels that samplers visit.
    """

    preconditioning: Preconditioning
    density: Density
    weighting: Weighting
    schedule: Schedule
