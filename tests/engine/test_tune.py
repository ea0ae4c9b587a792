"""Choosing a level: the nearest to the data, and of those that are as near, the lowest; and how well samples keep to what they refine."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from difftool import Description
from difftool.bridges.options import ResampleOptions
from difftool.bridges.resample import Resample
from difftool.engine import tune
from difftool.engine.consistency import consistency, degraded
from difftool.engine.generate import Generated
from difftool.engine.sample_request import SampleRequest
from difftool.engine.tune import Candidate, best, error_between, evenly, sweep

RNG = np.random.default_rng(0)


def halving(*shape: int, dtype: str = "uint8") -> Resample:
    options = ResampleOptions(factors=(1, *(2 for _ in shape[1:])), max_aug_level=1.0)
    return Resample(options, Description(shape, dtype, 10), SimpleNamespace(shape=shape))


def tried(level: float, distance: float, parts: tuple[float, ...] = ()) -> Candidate:
    return Candidate(level, 40.0, distance, parts, distance, [])


def test_the_nearest_level_is_taken():
    assert best([tried(0.0, 0.3), tried(0.1, 0.1), tried(0.2, 0.2)]).level == 0.1
    assert best([tried(0.0, 0.3)]).level == 0.0


def test_of_levels_that_chance_may_have_set_apart_the_lowest_is_taken():
    low, high = tried(0.1, 0.11, (0.1, 0.2, 0.1, 0.2)), tried(0.3, 0.1, (0.2, 0.1, 0.2, 0.1))
    assert error_between(low, high) > 0.01
    assert best([high, low]).level == 0.1
    assert best([tried(0.0, 0.4, (0.3, 0.5, 0.4, 0.4)), high, low]).level == 0.1


def test_what_all_levels_have_from_chance_alike_is_no_excuse():
    """Parts of the samples differ much among themselves, and each by as much from one level to the next."""
    parts = np.array([0.1, 0.9, 0.4, 0.6])
    low, high = tried(0.0, 0.52, tuple(parts + 0.02)), tried(0.5, 0.5, tuple(parts))
    assert error_between(low, high) < 1e-9
    assert best([low, high]).level == 0.5


@pytest.mark.parametrize(
    ("highest", "levels"),
    [(0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5]), (0.0, [0]), (1 / 3, [0, 0.067, 0.13, 0.2, 0.27, 0.33])],
)
def test_levels_are_even_and_round(highest, levels):
    assert evenly(highest, 6) == levels


def test_every_level_is_sampled_once_for_either_purpose(monkeypatch):
    """Samples here are what they refine, the farther from 3 the farther the level is from 0.2."""
    asked = []

    def generate(stage, request):
        asked.append((request.n, request.level))
        return (
            Generated(i, low + np.uint8(round(100 * abs(request.level - 0.2))), {})
            for i, low in enumerate(request.low)
        )

    monkeypatch.setattr(tune, "generate", generate)
    chain = SampleRequest(8, 4, low=[np.full((1, 4), 3, np.uint8)] * 8)
    data = SampleRequest(4, 4, low=[np.full((1, 4), 5, np.uint8)] * 4)
    stage = SimpleNamespace(bridge=SimpleNamespace(degrade=lambda raw: raw))
    found = list(
        sweep(
            stage,
            chain,
            data,
            [0.0, 0.2, 0.3],
            lambda some: float(np.mean(some)) - 3,
            lambda drawn, n, level: drawn,
        )
    )
    assert asked == [(8, 0.0), (4, 0.0), (8, 0.2), (4, 0.2), (8, 0.3), (4, 0.3)]
    assert [(one.level, one.distance, one.degraded) for one in found] == [
        (0.0, 20, 22),
        (0.2, 0, 2),
        (0.3, 10, 12),
    ]
    assert [len(one.parts) for one in found] == [4, 4, 4]
    assert found[0].consistency == pytest.approx(10 * math.log10(255**2 / 20**2))
    assert best(found).level == 0.2


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 33), (2, 8, 5, 6)], ids=str)
def test_degraded_again_examples_agree_with_what_they_were_made_from(shape):
    bridge, examples = (
        halving(*shape),
        [RNG.integers(0, 200, shape, dtype=np.uint8) for _ in range(3)],
    )
    low = degraded(bridge, examples)
    assert all(
        one.shape == (shape[0], *(-(-n // 2) for n in shape[1:])) and one.dtype == np.uint8
        for one in low
    )
    assert consistency(bridge, examples, low) == pytest.approx(10 * math.log10(255**2 * 12))
    brighter = [one + np.uint8(10) for one in examples]
    assert consistency(bridge, brighter, low) == pytest.approx(
        10 * math.log10(255**2 / 100), abs=0.1
    )
    assert math.isnan(consistency(bridge, brighter, [one[:, :2] for one in low]))


def test_of_floating_point_numbers_the_peak_is_their_range():
    bridge, x = halving(1, 64, dtype="float32"), np.sin(np.arange(64, dtype=np.float32))[None]
    low = degraded(bridge, [x])
    assert consistency(bridge, [x + np.float32(0.1)], low) == pytest.approx(
        10 * math.log10(float(np.ptp(low[0])) ** 2 / 0.01), abs=0.01
    )
    assert 100 < consistency(bridge, [x], low) < 200
