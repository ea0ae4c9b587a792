"""Standard errors of metrics: as large as the numbers differ from one set of samples to the next."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.engine.evaluate import standard_errors
from difftool.errors import UsageError


class Numbers:
    """The mean, a share, and the distance of the mean from the data's."""

    def measure(self, examples, data):
        x = np.concatenate(examples)
        return {
            "mean": float(x.mean()),
            "share": float((x > 1).mean()),
            "distance": float(abs(x.mean() - np.mean(data))),
        }


class Few(Numbers):
    def measure(self, examples, data):
        if len(examples) < 100:
            raise UsageError("too few")
        return super().measure(examples, data)


@pytest.mark.parametrize("name", ["mean", "share", "distance"])
def test_they_are_the_spread_over_sets_of_samples(name):
    rng = np.random.default_rng(0)
    sets = [list(rng.normal(1.5, 1, (64, 1))) for _ in range(200)]
    data = [np.zeros(1)]
    found = [Numbers().measure(one, data)[name] for one in sets]
    told = [standard_errors(Numbers(), one, data)[name] for one in sets]
    assert np.mean(told) == pytest.approx(np.std(found), rel=0.2)


def test_a_metric_that_needs_more_than_a_part_has_none():
    examples = list(np.zeros((200, 1)))
    assert Few().measure(examples, examples)
    assert standard_errors(Few(), examples, examples) == {}
    assert standard_errors(Numbers(), examples[:3], examples) == {}
