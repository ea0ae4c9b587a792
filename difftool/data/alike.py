"""An order of the examples in which every batch holds examples of one group, such as one shape.

A batch of one shape needs no padding, so every network can train on it at full speed. As with
``Order``, the only state is the number of examples seen. Each group is an endless sequence of its
own, seeded permutations one after another, so its examples are seen equally often whatever its
size. Which group the next batch is of is drawn by systematic sampling: within each round of about
an epoch, a group has its share of the batches, rounded up or down, and the expected number of
batches is exactly its share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..rng import key


@dataclass(frozen=True, eq=False)
class AlikeOrder:
    """The endless sequence of the examples.

    Attributes:
        batch: examples in a batch, over all devices.
        groups: ``[count]``: the group of every example, from 0.
        among: ``[count]``: the indices of the examples, where there are more than these.
    """

    seed: int
    batch: int
    groups: np.ndarray
    among: np.ndarray | None = None

    @property
    def count(self) -> int:
        return len(self.groups)

    def indices(self, start: int, size: int) -> np.ndarray:
        """``[size]``: the next examples from position ``start`` of the sequence."""
        first, last = start // self.batch, (start + size - 1) // self.batch
        found = np.concatenate([self._batch(number) for number in range(first, last + 1)])
        found = found[start - first * self.batch :][:size]
        return found if self.among is None else self.among[found]

    @cached_property
    def _members(self) -> list[np.ndarray]:
        return [np.flatnonzero(self.groups == g) for g in range(int(self.groups.max()) + 1)]

    @cached_property
    def _bounds(self) -> np.ndarray:
        """Where the share of each group ends, from 0 to 1."""
        ends = np.cumsum([len(members) for members in self._members])
        return ends / ends[-1]

    @property
    def _round(self) -> int:
        """Batches in a round."""
        return -(-self.count // self.batch)

    def _batch(self, number: int) -> np.ndarray:
        at, place = divmod(number, self._round)
        drawn, before = _drawn(self, at)
        group = int(drawn[place])
        nth = int(before[group] + (drawn[:place] == group).sum())
        members = self._members[group]
        positions = np.arange(nth * self.batch, (nth + 1) * self.batch)
        epochs, places = divmod(positions, len(members))
        found = np.empty(self.batch, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            found[here] = members[_permuted(self, group, int(epoch))[places[here]]]
        return found

    def _counts(self, rounds: np.ndarray) -> np.ndarray:
        """``[n, groups]``: batches of each group in these rounds.

        The places of a round are (j + u) / T for j from 0 to T - 1, and a group has those within
        its share. The offsets u of the rounds are evenly spread.
        """
        offsets = (key(self.seed, "groups") / 2**63 + rounds * GOLDEN) % 1
        below = np.ceil(self._round * self._bounds - offsets[:, None]).clip(0, self._round)
        return np.diff(below, prepend=0).astype(np.int64)


GOLDEN = (5**0.5 - 1) / 2


@lru_cache(maxsize=4)
def _drawn(order: AlikeOrder, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The group of each batch of a round, shuffled; and ``[groups]``, the batches of each group in
    the rounds before.
    """
    (counts,) = order._counts(np.array([number]))
    rng = np.random.Generator(np.random.Philox(key(order.seed, "order of groups", number)))
    drawn = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return drawn, order._counts(np.arange(number)).sum(0)


@lru_cache(maxsize=64)
def _permuted(order: AlikeOrder, group: int, epoch: int) -> np.ndarray:
    """The members of a group in the order of an epoch."""
    seed = key(order.seed, f"order of group {group}", epoch)
    return np.random.Generator(np.random.Philox(seed)).permutation(len(order._members[group]))
