"""Beta sampling: a sampler visits the quantiles of a beta distribution in time."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..errors import UsageError
from .options import BetaOptions
from .schedule import Linear


class Beta(Linear):
    """DDPM's table, of which n steps visit the times F^-1(1), ..., F^-1(1 / n).

    Lee et al. 2024, arXiv:2407.12173, Sec. 4.2, where F is the cumulative beta distribution. With
    both parameters below 1 the levels are dense at both ends of time. No level is visited twice: a
    time that falls on one that is taken moves to the next.
    """

    def __init__(self, options: BetaOptions) -> None:
        super().__init__(options)
        self.alpha, self.beta = options.alpha, options.beta

    def sigmas(self, n: int) -> list[float]:
        log = self._on(torch.device("cpu"))
        if n > len(log):
            raise UsageError(
                f"A schedule of {len(log)} levels cannot be sampled in {n} steps. Ask for at most "
                f"{len(log)}: a sampler visits no level twice."
            )
        times = quantile(np.arange(1, n + 1) / n, self.alpha, self.beta).tolist()
        places: list[int] = []
        for i, t in enumerate(times):
            lowest, highest = places[-1] + 1 if places else 0, len(log) - (n - i)
            places.append(min(max(round(t * (len(log) - 1)), lowest), highest))
        return [*log[places[::-1]].exp().tolist(), 0.0]


def quantile(u: np.ndarray, a: float, b: float) -> np.ndarray:
    """x with I_x(a, b) = u, by bisection; the ends are exact."""
    low, high = np.zeros_like(u), np.ones_like(u)
    for _ in range(60):
        middle = (low + high) / 2
        below = cumulative(middle, a, b) < u
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where((u <= 0) | (u >= 1), u.clip(0, 1), (low + high) / 2)


def cumulative(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """I_x(a, b), the regularised incomplete beta function, for 0 < x < 1.

    DLMF 8.17.22; the symmetry 8.17.4 serves where the fraction converges slowly.
    """
    x = x.clip(1e-300, 1 - 2**-53)  # logarithms below
    swapped = x > (a + 1) / (a + b + 2)
    return np.where(
        swapped,
        1 - _lower(np.where(swapped, 1 - x, 0.5), b, a),
        _lower(np.where(swapped, 0.5, x), a, b),
    )


def _lower(x: np.ndarray, a: float, b: float) -> np.ndarray:
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = np.exp(a * np.log(x) + b * np.log1p(-x) - log_beta) / a
    return front / _fraction(x, a, b)


def _fraction(x: np.ndarray, a: float, b: float, terms: int = 120) -> np.ndarray:
    """1 + d_1 / (1 + d_2 / (1 + ...)), from its end   (DLMF 8.17.22 and 8.17.23)."""
    value = np.ones_like(x)
    for n in range(terms, 0, -1):
        m = n // 2
        if n % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + d / value
    return value
