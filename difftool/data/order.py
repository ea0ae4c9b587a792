"""The order of the examples: one integer of state, the number of examples seen.

Epoch e is a seeded permutation. A step's batch is the next ``batch`` examples of the endless sequence of epochs, and each
device takes its slice of it, so the order is the same on any number of devices and after any resume.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..rng import key


@lru_cache(maxsize=4)
def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """``[count]``: the examples in the order of this epoch."""
    return np.random.Generator(np.random.Philox(key(seed, "order", epoch))).permutation(count)


def batch_indices(count: int, seed: int, start: int, size: int) -> np.ndarray:
    """``[size]``: the examples from place ``start`` of the endless sequence on."""
    places = np.arange(start, start + size)
    epochs = places // count
    order = np.empty(size, np.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        here = epochs == epoch
        order[here] = epoch_order(count, seed, epoch)[places[here] % count]
    return order
