"""Predictor-corrector samplers: a step of the reverse diffusion, then Langevin steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from ..shapes import expand_as
from .ancestral import posterior_std
from .interval import parts
from .order import order


@order(0, pathwise=False)
def predictor_corrector(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    predictor: str = "reverse_diffusion",
    corrector_steps: int = 1,
    snr: float = 0.16,
) -> Iterator[Step]:
    """Predictor-corrector   (Song et al. 2021, arXiv:2011.13456, Alg. 2), variance exploding.

    One evaluation and ``corrector_steps`` more a step; the step to 0 is the predictor's mean. The
    correction draws towards the right distribution at every level, up to the bias of Langevin
    dynamics with finite steps: for Gaussian data the variance is 1 / (1 - snr^2) times too large.
    The noise of each part is drawn for a part of the step's interval.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        first, *others = parts(sigma, sigma_next, 1 + corrector_steps)
        x0 = denoise(x, sigma)
        # x = x + (sigma^2 - sigma_next^2) s(x; sigma) + g z, with the score s = (D - x) / sigma^2
        x = torch.lerp(x0, x, (sigma_next / sigma) ** 2)
        if sigma_next > 0:
            x.add_(noise(*first), alpha=_spread(predictor, sigma, sigma_next))
            for part in others:
                x0 = denoise(x, sigma_next)
                x = corrected(x, x0, sigma_next, noise(*part), snr)
        yield Step(i, sigma_next, x, x0)


def _spread(predictor: str, sigma: float, sigma_next: float) -> float:
    """Standard deviation of the predictor's noise: Eq. 46 and, for ancestral sampling, Eq. 47."""
    if predictor == "ancestral":
        return posterior_std(sigma, sigma_next)
    return math.sqrt(sigma**2 - sigma_next**2)


def corrected(x: Tensor, x0: Tensor, sigma: float, z: Tensor, snr: float) -> Tensor:
    """One step of Langevin dynamics   (Song et al. 2021, Alg. 4).

    Its length is epsilon = 2 (snr |z| / |s|)^2, with the norms of each example. An example whose
    score is zero stays where it is.
    """
    score = (x0 - x).div_(sigma**2)
    norm = _norm(score)
    epsilon = torch.where(norm > 0, 2 * (snr * _norm(z) / norm).square(), 0.0)
    # x = x + epsilon s + sqrt(2 epsilon) z
    step = expand_as(epsilon, x)
    return x + step * score + (2 * step).sqrt() * z


def _norm(x: Tensor) -> Tensor:
    """``[b, ...] -> [b]``."""
    return torch.linalg.vector_norm(x.flatten(1), dim=1)
