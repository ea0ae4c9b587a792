"""The order of the examples. Its only state is one integer: the number of examples seen.

Epoch e is a seeded permutation. The batch of a step is the next ``batch`` examples of the endless
sequence of epochs, and each device takes its slice of it. The order is therefore the same on any
number of devices and after any resume.

If examples differ in size, batches of similar sizes waste less on padding. Each epoch's permutation
is then rearranged: the examples of a few batches at a time are sorted by size and cut into batches,
and these batches are shuffled. Taking more at a time gives more similar sizes but less randomness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..rng import key


@dataclass(frozen=True, eq=False)
class Order:
    """The endless sequence of the examples.

    Attributes:
        batch: examples in a batch; only needed with ``bucket``.
        bucket: number of batches whose examples are sorted together; 0 keeps the permutation.
        sizes: ``[count]``: the size of every example, in any unit; only needed with ``bucket``.
        among: ``[count]``: the indices of the examples, where there are more than these.
    """

    count: int
    seed: int
    batch: int = 1
    bucket: int = 0
    sizes: np.ndarray | None = None
    among: np.ndarray | None = None

    def indices(self, start: int, size: int) -> np.ndarray:
        """``[size]``: the next examples from position ``start`` of the sequence."""
        positions = np.arange(start, start + size)
        epochs = positions // self.count
        order = np.empty(size, np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            here = epochs == epoch
            order[here] = _epoch(self, epoch)[positions[here] % self.count]
        return order if self.among is None else self.among[order]


@lru_cache(maxsize=4)
def _epoch(order: Order, epoch: int) -> np.ndarray:
    """``[count]``: the examples in the order of this epoch."""
    rng = np.random.Generator(np.random.Philox(key(order.seed, "order", epoch)))
    drawn = rng.permutation(order.count)
    if not order.bucket or order.sizes is None:
        return drawn
    # The first examples complete the last batch of the previous epoch.
    first = min(-epoch * order.count % order.batch, order.count)
    together = order.bucket * order.batch
    groups = [drawn[at : at + together] for at in range(first, order.count, together)]
    return np.concatenate(
        [drawn[:first], *(_by_size(group, order.sizes, order.batch, rng) for group in groups)]
    )


def _by_size(
    group: np.ndarray, sizes: np.ndarray, batch: int, rng: np.random.Generator
) -> np.ndarray:
    """The group in batches of similar sizes, in random order, each batch shuffled.

    An incomplete batch comes last and is not sorted: if it were cut from one end of the sorted
    group, the largest examples would always be batched apart.
    """
    whole = len(group) // batch * batch
    batches = group[:whole][np.argsort(sizes[group[:whole]], kind="stable")].reshape(-1, batch)
    return np.concatenate(
        [rng.permuted(rng.permutation(batches), axis=1).reshape(-1), group[whole:]]
    )
