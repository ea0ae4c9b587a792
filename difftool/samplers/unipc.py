"""UniPC: a multistep predictor and a corrector that costs no evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .multistep import combined, logarithm, lower_at_the_end
from .order import order


@order("order")
def unipc(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    order: int = 3,
    variant: str = "B2",
) -> Iterator[Step]:
    """UniPC for the estimate of x0   (Zhao et al. 2023, arXiv:2302.04867, Alg. 5 to 8, App. A).

    One evaluation a step. The estimate at a new level serves twice: it corrects the step that led
    there (UniC), and predicts the next one (UniP). So a step yields x as it was predicted, and
    nothing corrects the last one. The step to 0, which is infinitely long, is of first order, and
    the steps before it are of the second, third, ... order, as in the authors' code.
    """
    # The last estimates with their levels, newest first, and x at the newest level, corrected.
    past: list[tuple[float, Tensor]] = []
    corrected = x
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        if past:
            corrected = _step(corrected, past, sigma, x0, variant)
        past = [(sigma, x0), *past][: lower_at_the_end(order, i, sigmas)]
        if sigma_next > 0:
            x = _step(corrected, past, sigma_next, None, variant)
        else:
            x = euler_step(corrected, x0, sigma, sigma_next)
        yield Step(i, sigma_next, x, x0)


def _step(
    x: Tensor,
    past: Sequence[tuple[float, Tensor]],
    sigma_next: float,
    new: Tensor | None,
    variant: str,
) -> Tensor:
    """From the newest of the past levels to the next one, without or with the estimate there.

    x = sigma_next / sigma x - (e^(-h) - 1) D_0 - B(h) sum_m a_m / r_m (D_m - D_0), Alg. 7 and 8.
    """
    (sigma, x0), *earlier = past
    h = logarithm(sigma, sigma_next)
    r = [-logarithm(level, sigma) / h for level, _ in earlier]
    estimates = [estimate for _, estimate in earlier]
    if new is not None:
        r, estimates = [*r, 1.0], [*estimates, new]
    x = euler_step(x, x0, sigma, sigma_next)
    if not estimates:
        return x
    scales = [-a / r_m for a, r_m in zip(coefficients(r, h, variant), r, strict=True)]
    return combined(x, [*estimates, x0], [*scales, -sum(scales)])


def coefficients(r: Sequence[float], h: float, variant: str) -> list[float]:
    """B(h) a, with which R a B(h) = b holds   (Zhao et al. 2023, Eq. 11 and App. A.2).

    R_km = r_m^(k - 1) and b_k = k! z phi_(k + 1)(z) with z = -h, where phi_1(z) = (e^z - 1) / z and
    z phi_(k + 1)(z) = phi_k(z) - 1 / k!. So B(h) cancels, except where there is one unknown only,
    which the paper sets to 1 / 2 without loss of order.
    """
    z = -h
    if len(r) == 1:
        return [(z if variant == "B1" else math.expm1(z)) / 2]
    b, z_phi = [], math.expm1(z)
    for k in range(1, len(r) + 1):
        z_phi = z_phi / z - 1 / math.factorial(k)
        b.append(math.factorial(k) * z_phi)
    return np.linalg.solve(np.vander(r, increasing=True).T, b).tolist()
