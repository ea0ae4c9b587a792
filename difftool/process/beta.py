"""Beta sampling: a sampler visits the quantiles of a beta distribution in time."""

from __future__ import annotations

import math

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
        times = [quantile((i + 1) / n, self.alpha, self.beta) for i in range(n)]
        places: list[int] = []
        for i, t in enumerate(times):
            lowest, highest = places[-1] + 1 if places else 0, len(log) - (n - i)
            places.append(min(max(round(t * (len(log) - 1)), lowest), highest))
        return [*log[places[::-1]].exp().tolist(), 0.0]


def quantile(u: float, a: float, b: float) -> float:
    """x with I_x(a, b) = u, by bisection; the ends are exact."""
    if u <= 0 or u >= 1:
        return min(max(u, 0.0), 1.0)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if cumulative(middle, a, b) < u else (low, middle)
    return (low + high) / 2


def cumulative(x: float, a: float, b: float) -> float:
    """I_x(a, b), the regularised incomplete beta function   (DLMF 8.17.22 and 8.17.4)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly: the symmetry
        return 1 - cumulative(1 - x, b, a)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a
    return front / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float, terms: int = 200) -> float:
    """1 + d_1 / (1 + d_2 / (1 + ...)), from its end   (DLMF 8.17.22 and 8.17.23)."""
    value = 1.0
    for n in range(terms, 0, -1):
        m = n // 2
        if n % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + d / value
    return value
