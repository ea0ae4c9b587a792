"""Weightings: lambda(sigma), how much the squared error of D counts at each noise level."""

from __future__ import annotations

from torch import Tensor

from ..options import Options
from .options import MinSnrOptions, SoftMinSnrOptions
from .process import Preconditioning, Weighting


class Edm(Weighting):
    """(sigma^2 + sigma_data^2) / (sigma sigma_data)^2   (Karras et al. 2022, Table 1)."""

    def __init__(self, options: Options, preconditioning: Preconditioning) -> None:
        del options
        self.sigma_data = preconditioning.sigma_data

    def weight(self, sigma: Tensor) -> Tensor:
        return sigma.square().reciprocal() + self.sigma_data**-2


class Uniform(Weighting):
    """1 / out^2: the error of F counts the same at every level.

    In the eps row it is L_simple of DDPM.
    """

    def __init__(self, options: Options, preconditioning: Preconditioning) -> None:
        del options
        self.preconditioning = preconditioning

    def weight(self, sigma: Tensor) -> Tensor:
        return self.preconditioning.coefficients(sigma).out.square().reciprocal()


class MinSnr(Weighting):
    """min(SNR, gamma), in units of the data's variance   (Hang et al. 2023, arXiv:2303.09556)."""

    def __init__(self, options: MinSnrOptions, preconditioning: Preconditioning) -> None:
        self.gamma, self.variance = options.gamma, preconditioning.sigma_data**2

    def weight(self, sigma: Tensor) -> Tensor:
        snr = self.variance / sigma.square()
        return snr.clamp(max=self.gamma) / self.variance


class SoftMinSnr(Weighting):
    """1 / (1 / SNR + 1 / gamma), in units of the data's variance.

    Crowson et al. 2024, arXiv:2401.11605.
    """

    def __init__(self, options: SoftMinSnrOptions, preconditioning: Preconditioning) -> None:
        self.gamma, self.variance = options.gamma, preconditioning.sigma_data**2

    def weight(self, sigma: Tensor) -> Tensor:
        return 1 / (sigma.square() + self.variance / self.gamma)
