"""The learning rate as a function of the examples seen, and settings that could only go wrong."""

from __future__ import annotations

import math

import pytest

from difftool.engine.optimizer import learning_rate
from difftool.engine.options import OptimizerOptions


def test_warm_up_then_cosine_to_zero():
    o = OptimizerOptions(lr=1.0, warmup=100, decay="cosine")
    assert learning_rate(o, 49, 1100) == pytest.approx(0.5)
    assert learning_rate(o, 600, 1100) == pytest.approx(0.5)
    assert learning_rate(o, 1100, 1100) == pytest.approx(0.0)


def test_inverse_square_root_begins_where_it_is_told_to():
    o = OptimizerOptions(lr=1.0, decay="inverse-sqrt", decay_start=100)
    assert learning_rate(o, 100, 10_000) == 1.0
    assert learning_rate(o, 400, 10_000) == pytest.approx(1 / math.sqrt(4))


def test_an_inverse_square_root_without_its_start_is_refused():
    """It would fall from the first example on: to a hundredth within ten thousand."""
    with pytest.raises(ValueError, match="decay_start"):
        OptimizerOptions(decay="inverse-sqrt")


@pytest.mark.parametrize("betas", [(0.9, 1.0), (-0.1, 0.9)])
def test_betas_out_of_range_are_a_fault_of_the_config(betas):
    with pytest.raises(ValueError, match="betas"):
        OptimizerOptions(betas=betas)
