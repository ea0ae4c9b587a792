"""Learned uncertainty: how much each noise level counts is learned with the network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..options import Options
from .process import Preconditioning, Weighting
from .weighting import Uniform

FEATURES = 64


class Uncertainty(nn.Module, Weighting):
    """The loss of an error is ``lambda error / exp(u) + u``, with a learned ``u(sigma)``.

    Karras et al. 2024, arXiv:2312.02696, Eq. 21, after Kendall & Gal 2017: the best u is the
    logarithm of the expected loss of that level, so every level counts the same. lambda is that of
    unit weight on the network's output.
    """

    frequencies: Tensor

    def __init__(self, options: Options, preconditioning: Preconditioning) -> None:
        super().__init__()
        del options
        self.base = Uniform(Options(), preconditioning)
        frequencies = torch.logspace(-1, 1, FEATURES // 2, dtype=torch.float64).float()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.coefficients = nn.Parameter(torch.zeros(FEATURES + 1))

    def log_variance(self, sigma: Tensor) -> Tensor:
        """u: a linear function of sines and cosines of ln sigma, ``[b] -> [b]``."""
        phase = sigma.log().unsqueeze(-1).to(torch.float32) * self.frequencies
        features = torch.cat((phase.cos(), phase.sin()), -1) * math.sqrt(2)
        return features @ self.coefficients[1:] + self.coefficients[0]

    def weight(self, sigma: Tensor) -> Tensor:
        return self.base.weight(sigma) / self.log_variance(sigma).detach().exp()

    def loss(self, sigma: Tensor, weighted: Tensor) -> Tensor:
        u = self.log_variance(sigma)
        # the weight is a constant; this factor, which is one, carries its gradient
        return weighted * (u.detach() - u).exp() + u
