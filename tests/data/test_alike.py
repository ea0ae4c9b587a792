"""Batches of one group each: nothing is lost, nothing is seen more often than it should be."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.data.alike import AlikeOrder

GROUPS = np.array([0] * 23 + [1] * 7 + [2] * 2)  # the last has fewer than a batch
BATCH = 4


@pytest.fixture
def order():
    return AlikeOrder(seed=3, batch=BATCH, groups=GROUPS)


def test_every_batch_is_of_one_group_and_groups_have_their_shares(order):
    batches = order.indices(0, 800 * BATCH).reshape(-1, BATCH)
    groups = GROUPS[batches]
    assert (groups == groups[:, :1]).all()
    shares = np.bincount(groups[:, 0]) / 800
    assert np.abs(shares - np.bincount(GROUPS) / len(GROUPS)).max() < 2 / 800
    assert len({tuple(groups[i : i + 8, 0]) for i in range(0, 800, 8)}) > 50, "shuffled"


def test_all_examples_are_seen_equally_often(order):
    seen = np.bincount(order.indices(0, 800 * BATCH))
    assert seen.min() > 0
    for group in range(3):
        own = seen[group == GROUPS]
        assert own.max() - own.min() <= 1, "each group is a sequence of whole epochs"
    assert np.ptp(seen) <= 4


@pytest.mark.parametrize("start", [0, 5, 4 * 8 * 3 + 1, 999])
def test_a_place_in_the_sequence_is_all_of_its_state(order, start):
    """Resuming, and any number of devices, give the same examples."""
    whole = order.indices(0, 1400)
    again = AlikeOrder(seed=3, batch=BATCH, groups=GROUPS)
    assert np.array_equal(again.indices(start, 37), whole[start : start + 37])


def test_another_seed_is_another_order(order):
    other = AlikeOrder(seed=4, batch=BATCH, groups=GROUPS)
    assert not np.array_equal(order.indices(0, 40), other.indices(0, 40))


def test_examples_that_are_held_out_do_not_occur():
    kept = np.arange(5, 32)
    order = AlikeOrder(0, BATCH, GROUPS[kept], kept)
    assert set(order.indices(0, 400).tolist()) == set(kept.tolist())


def test_one_group_is_one_sequence_of_epochs():
    order = AlikeOrder(0, 5, np.zeros(10, int))
    drawn = order.indices(0, 40).reshape(4, 10)
    assert (np.sort(drawn, 1) == np.arange(10)).all()
