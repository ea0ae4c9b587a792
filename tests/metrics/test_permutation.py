"""The permutation test: uniform p-values under one distribution, small ones under two."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.metrics.kernel import gaussian, within
from difftool.metrics.neighbours import squared_distances
from difftool.metrics.permutation import permutation_test


def test_under_one_distribution_p_values_are_uniform():
    rng = np.random.default_rng(0)
    found = [
        permutation_test(rng.normal(size=(25, 3)), rng.normal(size=(40, 3)), 99)[1]
        for _ in range(300)
    ]
    # a share of 300 lies within 2.6 standard errors in 99 of 100 cases
    for p in (0.05, 0.2, 0.5, 0.8):
        assert abs(np.mean(np.array(found) <= p) - p) < 2.8 * (p * (1 - p) / 300) ** 0.5


@pytest.mark.parametrize("change", [lambda x: x + 0.6, lambda x: 1.8 * x], ids=["mean", "spread"])
def test_two_distributions_are_told_apart(change):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 4)), change(rng.normal(size=(120, 4)))
    assert permutation_test(x, y)[1] <= 0.01


def test_the_discrepancy_is_that_of_the_metric():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(20, 4)) + 0.3
    both = np.concatenate([x, y])
    width = np.median(squared_distances(both, both)[~np.eye(50, dtype=bool)])

    def kernel(a, b):
        return gaussian(width, a, b)

    expected = within(x, kernel) + within(y, kernel) - 2 * kernel(x, y).mean()
    assert permutation_test(x, y, 9)[0] == pytest.approx(expected, abs=1e-12)
