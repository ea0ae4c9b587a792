"""The order of the examples: one integer of state, the number of examples seen.

Epoch e is a seeded permutation. A step's batch is the next ``batch`` examples of the endless sequence of epochs, and each
device takes its slice of it, so the order is the same on any number of devices and after any resume.

Where examples differ in size, batches of like size waste less on padding. Each epoch's permutation is then rearranged: a few batches
at a time, the examples are sorted by size, cut into batches, and these shuffled. How many at a time is a trade: more are more alike.
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
        batch: examples in a batch; only batches of like size ask for it.
        bucket: batches whose examples are sorted together; 0 leaves each epoch as it was drawn.
        sizes: ``[count]``, of every example, in any unit; wanted where there are buckets.
    """

    count: int
    seed: int
    batch: int = 1
    bucket: int = 0
    sizes: np.ndarray | None = None

    def indices(self, start: int, size: int) -> np.ndarray:
        """``[size]``: the examples from place ``start`` of the sequence on."""
        places = np.arange(start, start + size)
        epochs = places // self.count
        order = np.empty(size, np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            here = epochs == epoch
            order[here] = _epoch(self, epoch)[places[here] % self.count]
        return order


@lru_cache(maxsize=4)
def _epoch(order: Order, epoch: int) -> np.ndarray:
    """``[count]``: the examples in the order of this epoch."""
    rng = np.random.Generator(np.random.Philox(key(order.seed, "order", epoch)))
    drawn = rng.permutation(order.count)
    if not order.bucket or order.sizes is None:
        return drawn
    first = min(-epoch * order.count % order.batch, order.count)  # they complete the batch that the epoch before left unfinished
    together = order.bucket * order.batch
    groups = [drawn[at : at + together] for at in range(first, order.count, together)]
    return np.concatenate([drawn[:first], *(_alike(group, order.sizes, order.batch, rng) for group in groups)])


def _alike(group: np.ndarray, sizes: np.ndarray, batch: int, rng: np.random.Generator) -> np.ndarray:
    """The group in batches of like size, which follow one another by chance, as the examples in each of them do.

    What fills no batch comes last, and is as mixed as the group: taken from one end, it would keep some sizes apart from the others.
    """
    whole = len(group) // batch * batch
    batches = group[:whole][np.argsort(sizes[group[:whole]], kind="stable")].reshape(-1, batch)
    return np.concatenate([rng.permuted(rng.permutation(batches), axis=1).reshape(-1), group[whole:]])
