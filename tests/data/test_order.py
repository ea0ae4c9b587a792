"""The order of examples: every epoch a permutation, the same on any number of devices and after any resume; sizes together on request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difftool.data.order import Order

SIZES = np.random.default_rng(0).integers(1, 30, 1000)


def orders():
    """An order of up to forty examples, with buckets or without."""
    return st.builds(
        lambda count, seed, batch, bucket: Order(count, seed, batch, bucket, SIZES[:count]),
        st.integers(1, 40),
        st.integers(0, 5),
        st.integers(1, 50),
        st.integers(0, 4),
    )


@settings(max_examples=100, deadline=None)
@given(order=orders())
def test_each_epoch_has_each_example_once(order):
    steps = -(-3 * order.count // order.batch)
    seen = np.concatenate([order.indices(step * order.batch, order.batch) for step in range(steps)])
    for epoch in range(3):
        assert sorted(seen[epoch * order.count : (epoch + 1) * order.count]) == list(
            range(order.count)
        )


@settings(max_examples=100, deadline=None)
@given(order=orders(), share=st.integers(1, 8), ranks=st.integers(1, 4), start=st.integers(0, 200))
def test_ranks_take_slices_of_one_batch(order, share, ranks, start):
    whole = order.indices(start, share * ranks)
    parts = [order.indices(start + rank * share, share) for rank in range(ranks)]
    assert np.array_equal(whole, np.concatenate(parts))


@settings(max_examples=60, deadline=None)
@given(order=orders(), start=st.integers(0, 200))
def test_it_depends_on_nothing_that_went_before(order, start):
    """A run that is resumed has another order in hand, and asks it for the middle first."""
    resumed = Order(order.count, order.seed, order.batch, order.bucket, order.sizes)
    middle = resumed.indices(start, 20)
    order.indices(0, start + 1)
    assert np.array_equal(order.indices(start, 20), middle)


@pytest.mark.parametrize("bucket", [0, 4])
def test_epochs_and_seeds_differ(bucket):
    order = Order(100, 0, 8, bucket, SIZES[:100])
    first, second = order.indices(0, 100), order.indices(100, 100)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, Order(100, 1, 8, bucket, SIZES[:100]).indices(0, 100))


def batches(bucket: int, batch: int = 16, epochs: int = 3) -> np.ndarray:
    """``[steps, batch]``, the sizes of all the batches of some epochs."""
    order = Order(len(SIZES), 0, batch, bucket, SIZES)
    return SIZES[order.indices(0, epochs * len(SIZES) // batch * batch)].reshape(-1, batch)


def padding(sizes: np.ndarray) -> float:
    """Share of batches padded to their largest that is padding."""
    return 1 - sizes.sum() / (sizes.max(1) * sizes.shape[1]).sum()


def test_the_more_batches_are_sorted_together_the_less_is_padding():
    shares = [padding(batches(bucket)) for bucket in (0, 1, 4, 16)]
    assert shares[0] == shares[1]  # one batch alone has nothing to swap with
    assert shares[0] > 0.4
    assert shares[2] < shares[0] / 2
    assert shares[3] < shares[2] / 2


def test_an_epoch_s_first_batch_completes_the_last_one_s_rest():
    """A thousand examples are 62 batches of 16 and a half: every other batch is as alike as the first, in each epoch."""
    spread = np.ptp(batches(8), axis=1)
    rest = 1000 // 16
    assert spread[rest] > 10
    assert np.median(spread) < 6
    assert np.median(spread[rest + 1 :]) == pytest.approx(np.median(spread[:rest]), abs=1)


def test_sizes_come_in_no_order():
    """Batches follow one another by chance, and a place in a batch says nothing of the size, as noise levels go by place."""
    sizes = batches(8, epochs=20)
    assert (sizes - sizes.mean(1, keepdims=True)).mean(0) == pytest.approx(np.zeros(16), abs=0.25)
    means = sizes.mean(1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.25


def test_examples_of_one_size_are_as_mixed_as_without():
    order = Order(64, 0, 8, 4, np.ones(64))
    together = [set(order.indices(epoch * 64, 8).tolist()) for epoch in range(4)]
    assert len({frozenset(batch) for batch in together}) == 4
    assert all(len(batch) == 8 for batch in together)
