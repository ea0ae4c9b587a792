"""Weights of multistep methods: integrals of the polynomial through the last estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
"""Gauss-Legendre quadrature on [-1, 1]; it is exact for polynomials of degree 47."""

Weight = Callable[[np.ndarray], np.ndarray]
"""A factor under the integral, at the nodes ``[24]``."""


def lagrange(at: np.ndarray, nodes: Sequence[float]) -> np.ndarray:
    """``[n, k]``: the polynomials that are 1 at one of the n nodes and 0 at the others."""
    rows = []
    for i, own in enumerate(nodes):
        row = np.ones_like(at)
        for j, other in enumerate(nodes):
            if j != i:
                row *= (at - other) / (own - other)
        rows.append(row)
    return np.stack(rows)


def adams(nodes: Sequence[float], start: float, end: float, weight: Weight) -> list[float]:
    """The integral of ``weight`` times each of the Lagrange polynomials, from start to end."""
    half = (end - start) / 2
    at = start + half * (1 + NODES)
    return (lagrange(at, nodes) * (weight(at) * WEIGHTS * half)).sum(1).tolist()


def logarithm(sigma: float, sigma_next: float) -> float:
    """h = ln(sigma / sigma_next), the step in log-SNR; the step to 0 is infinitely long."""
    return math.log(sigma / sigma_next) if sigma_next > 0 else math.inf


def lower_at_the_end(order: int, step: int, sigmas: Sequence[float]) -> int:
    """The order of a step: at most the number of steps that are left, if the last ends at 0.

    Extrapolation to a level far below the last ones amplifies the errors of the network.
    """
    return min(order, len(sigmas) - 1 - step) if sigmas[-1] == 0 else order


def combined(x: Tensor, estimates: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """``x`` plus the weighted estimates, as a new tensor."""
    first, *others = zip(estimates, weights, strict=False)
    x = x.add(first[0], alpha=first[1])
    for estimate, weight in others:
        x.add_(estimate, alpha=weight)
    return x
