"""The order of examples: every epoch a permutation, the same on any number of devices and after any resume."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from difftool.data.order import batch_indices


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 5))
def test_each_epoch_has_each_example_once(count, batch, seed):
    steps = -(-3 * count // batch)
    seen = np.concatenate([batch_indices(count, seed, step * batch, batch) for step in range(steps)])
    for epoch in range(3):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), share=st.integers(1, 8), ranks=st.integers(1, 4), start=st.integers(0, 200))
def test_ranks_take_slices_of_one_batch(count, share, ranks, start):
    whole = batch_indices(count, 0, start, share * ranks)
    parts = [batch_indices(count, 0, start + rank * share, share) for rank in range(ranks)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_epochs_differ():
    first, second = batch_indices(100, 0, 0, 100), batch_indices(100, 0, 100, 100)
    assert not np.array_equal(first, second)
