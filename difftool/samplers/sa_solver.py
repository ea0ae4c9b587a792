"""SA-Solver: stochastic Adams methods, a predictor and a corrector."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .multistep import adams, combined, logarithm, lower_at_the_end
from .order import order


@order(1)
def sa_solver(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    predictor: int = 3,
    corrector: int = 3,
    tau: float = 1.0,
    s_min: float = 0.0,
    s_max: float | None = None,
) -> Iterator[Step]:
    """SA-Solver   (Xue et al. 2023, arXiv:2309.05019, Alg. 1, Eq. 14 and 17).

    One evaluation a step. ``tau`` is the stochasticity: 0 is the ODE, 1 the reverse diffusion; it
    is 0 outside ``s_min`` to ``s_max``. The estimate at a new level corrects the step that led
    there, with the same noise, so a step yields x as it was predicted. The step to 0 is of first
    order and has no noise; the steps before it are of lower order too, as in the authors' code. The
    strong order is 1, as tau times the step bounds the error (Theorem 5.1).

    Args:
        predictor: estimates that the predictor combines.
        corrector: earlier estimates that the corrector combines, beside the new one; 0 has none.
    """
    past: list[tuple[float, Tensor]] = []
    last: _Kernel | None = None
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        if last is not None and corrector > 0:
            x = last.step([(sigma, x0), *past[:corrector]])
        past = [(sigma, x0), *past][: max(predictor, corrector)]
        inside = s_min <= sigma and (s_max is None or sigma <= s_max)
        if sigma_next > 0:
            last = _Kernel(x, sigma, sigma_next, tau if inside else 0.0, noise)
            x = last.step(past[: lower_at_the_end(predictor, i, sigmas)])
        else:
            x = x0.clone()
        yield Step(i, sigma_next, x, x0)


class _Kernel:
    """The exact transition between two levels for a given D, with its noise already drawn.

    x = e^(-(1 + tau^2) h) x + sum_j b_j D_j + sigma_next sqrt(1 - e^(-2 tau^2 h)) z, where b_j is
    the integral of (1 + tau^2) e^(-(1 + tau^2) (h - u)) times a Lagrange polynomial in log-SNR.
    """

    def __init__(
        self, x: Tensor, sigma: float, sigma_next: float, tau: float, noise: Noise
    ) -> None:
        self.sigma, self.h, self.rate = sigma, logarithm(sigma, sigma_next), 1 + tau**2
        self.base = x * math.exp(-self.rate * self.h)
        if tau > 0:
            spread = sigma_next * math.sqrt(-math.expm1(-2 * tau**2 * self.h))
            self.base.add_(noise(sigma, sigma_next), alpha=spread)

    def step(self, estimates: Sequence[tuple[float, Tensor]]) -> Tensor:
        """x at the next level with the polynomial through these estimates of D."""
        nodes = [math.log(self.sigma / level) for level, _ in estimates]
        weights = adams(nodes, 0.0, self.h, self._decay)
        return combined(self.base, [x0 for _, x0 in estimates], weights)

    def _decay(self, u: np.ndarray) -> np.ndarray:
        return self.rate * np.exp(-self.rate * (self.h - u))
