"""SDE-DPM-Solver++(3M): the estimate is extrapolated from three levels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .multistep import logarithm
from .order import order


@order(2)
def dpmpp_3m_sde(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """SDE-DPM-Solver++(3M)   (Crowson, k-diffusion; Lu et al. 2022, arXiv:2211.01095, App. B).

    One evaluation a step. The slope and the second difference of D in log-SNR come from the last
    three estimates. As in the authors' code for DPM-Solver++(3M), the second difference counts
    half of what Taylor's formula says: the method is of second order.
    """
    past: list[Tensor] = []
    steps: list[float] = []
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        h = logarithm(sigma, sigma_next)
        e = (1 + eta) * h
        # x = e^(-(1 + eta) h) x + (1 - e^(-(1 + eta) h)) D_0 + phi_2 D_1 - phi_3 D_2 + noise
        x = torch.lerp(x0, x, math.exp(-e))
        if past and sigma_next > 0:
            phi_2 = math.expm1(-e) / e + 1
            phi_3 = phi_2 / e - 0.5
            d_1, d_2 = _differences([x0, *past], [step / h for step in steps])
            x.add_(d_1, alpha=phi_2)
            if d_2 is not None:
                x.add_(d_2, alpha=-phi_3)
        if eta > 0 and sigma_next > 0:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * eta * h))
            x.add_(noise(sigma, sigma_next), alpha=s_noise * spread)
        past, steps = [x0, *past][:2], [h, *steps][:2]
        yield Step(i, sigma_next, x, x0)


def _differences(estimates: Sequence[Tensor], r: Sequence[float]) -> tuple[Tensor, Tensor | None]:
    """The slope of D now, and its second difference, in units of this step; newest first.

    Args:
        r: the lengths of the earlier steps, in units of this one.
    """
    d_10 = (estimates[0] - estimates[1]) / r[0]
    if len(estimates) < 3:
        return d_10, None
    d_11 = (estimates[1] - estimates[2]) / r[1]
    d_2 = (d_10 - d_11) / (r[0] + r[1])
    return d_10.add_(d_2, alpha=r[0]), d_2
