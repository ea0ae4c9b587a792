"""A permutation test of whether two sets of vectors come from one distribution."""

from __future__ import annotations

import numpy as np

from .kernel import gaussian
from .neighbours import squared_distances

PERMUTATIONS = 999
"""So many random halves are compared with; the smallest p-value is one in a thousand."""

AT_ONCE = 100
"""Permutations whose weights are in memory at once."""


def permutation_test(
    x: np.ndarray, y: np.ndarray, permutations: int = PERMUTATIONS, seed: int = 0
) -> tuple[float, float]:
    """The maximum mean discrepancy of two sets, and the share of random divisions of both together
    that differ at least as much (Gretton et al. 2012, JMLR 13, Sec. 2.2 and 5).

    The kernel is Gaussian, as wide as the median distance of two vectors. Under one distribution
    the share is a p-value whatever the number of vectors: every division is equally likely.

    Args:
        x, y: ``[n, d]`` and ``[m, d]``, none of which a feature network was trained on.
        permutations: number of random divisions.

    Returns:
        the squared discrepancy without bias, and the p-value.
    """
    both = np.concatenate([x, y]).astype(np.float64)
    apart = squared_distances(both, both)
    width = float(np.median(apart[~np.eye(len(both), dtype=bool)])) or 1.0
    kernel = gaussian(width, both, both)
    np.fill_diagonal(kernel, 0.0)  # no pair is of a vector with itself
    first = np.zeros(len(both))
    first[: len(x)] = 1
    observed = float(_discrepancies(kernel, first[None])[0])
    rng, larger = np.random.default_rng(seed), 0
    for at in range(0, permutations, AT_ONCE):
        count = min(AT_ONCE, permutations - at)
        divided = rng.permuted(np.repeat(first[None], count, 0), axis=1)
        larger += int((_discrepancies(kernel, divided) >= observed - 1e-12).sum())
    return observed, (1 + larger) / (1 + permutations)


def _discrepancies(kernel: np.ndarray, first: np.ndarray) -> np.ndarray:
    """``[p, n + m]`` marks of the first set -> the squared discrepancies ``[p]`` (Eq. 3).

    Args:
        kernel: ``[n + m, n + m]``, with zeros on its diagonal.
    """
    rest = 1 - first
    n, m = first.sum(1), rest.sum(1)
    of_first, of_rest = first @ kernel, rest @ kernel
    return (
        (of_first * first).sum(1) / (n * (n - 1))
        + (of_rest * rest).sum(1) / (m * (m - 1))
        - 2 * (of_first * rest).sum(1) / (n * m)
    )
