"""The distance of the samples as a whole from the data: in size, elements, bonds and extent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from difftool import Metric

from .bonds import bonds
from .molecule import NUMBER, Molecule

Pair = tuple[int, int]


class Distances(Metric):
    """Distances between distributions over the samples and over the data; 0 where they are alike.

    Wasserstein's, of order one, is how far one distribution has to be moved to become the other, in
    the unit of what is measured. The total variation of kinds is the share that would have to be of
    another kind.
    """

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Sizes in atoms, lengths and extents in angstrom.

        Without data there is nothing to measure.

        ``bond_lengths_w1`` is of each pair of elements by itself, weighted by how often the data
        bonds it, over the pairs that both bond; whether samples bond the right ones is seen in
        ``bonds_tv``.
        """
        return (
            {name: measured(examples, data) for name, measured in MEASURES.items()} if data else {}
        )


def _sizes(examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> float:
    return wasserstein(*(np.array([len(one) for one in some]) for some in (examples, data)))


def _elements(examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> float:
    return total_variation(
        *(
            _counts(np.concatenate([one[:, NUMBER] for one in some]).round())
            for some in (examples, data)
        )
    )


def _bonds(examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> float:
    return total_variation(
        *({pair: len(found) for pair, found in lengths(some).items()} for some in (examples, data))
    )


def _lengths(examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> float:
    made, real = lengths(examples), lengths(data)
    both = [pair for pair in real if pair in made]
    if not both:
        return float("nan")
    return float(
        np.average(
            [wasserstein(made[pair], real[pair]) for pair in both],
            weights=[len(real[pair]) for pair in both],
        )
    )


def _extents(examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> float:
    return wasserstein(*(np.array([gyration(one) for one in some]) for some in (examples, data)))


MEASURES = {
    "atoms_w1": _sizes,
    "elements_tv": _elements,
    "bonds_tv": _bonds,
    "bond_lengths_w1": _lengths,
    "gyration_w1": _extents,
}


# --- of a molecule --------------------------------------------------------------------------------


def lengths(examples: Iterable[np.ndarray]) -> dict[Pair, np.ndarray]:
    """The lengths of all bonds by the tables in angstrom, of any order, by pairs of elements, the
    lighter first.
    """
    found: defaultdict[Pair, list[float]] = defaultdict(list)
    for example in examples:
        numbers, positions, _, _ = Molecule.from_raw(example)
        bonded = bonds(numbers, positions)
        ends = np.sort((numbers[bonded.first], numbers[bonded.second]), 0)
        for lighter, heavier, length in zip(*ends.tolist(), bonded.length.tolist(), strict=True):
            found[lighter, heavier].append(length)
    return {pair: np.array(some) for pair, some in found.items()}


def gyration(example: np.ndarray) -> float:
    """The radius of gyration in angstrom; NaN if a position is not finite.

    It is the root mean square distance of the atoms, all with equal mass, from their centre.
    """
    positions = example[:, :3].astype(np.float64)
    with np.errstate(invalid="ignore"):
        return float(np.sqrt(((positions - positions.mean(0)) ** 2).sum(1).mean()))


# --- of distributions -----------------------------------------------------------------------------


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """The distance of the empirical distributions of ``[n]`` and ``[m]`` numbers: the area between
    their distribution functions.
    """
    both = np.sort(np.concatenate((a, b)))
    below = [np.searchsorted(np.sort(some), both[:-1], side="right") / len(some) for some in (a, b)]
    return float((np.abs(below[0] - below[1]) * np.diff(both)).sum())


def total_variation(a: Mapping, b: Mapping) -> float:
    """The distance of two distributions over kinds, from the counts of each kind; NaN if there are
    none.
    """
    total_a, total_b = sum(a.values()), sum(b.values())
    if not total_a or not total_b:
        return float("nan")
    return sum(abs(a.get(kind, 0) / total_a - b.get(kind, 0) / total_b) for kind in {*a, *b}) / 2


def _counts(values: np.ndarray) -> dict[float, int]:
    kinds, counts = np.unique(values, return_counts=True)
    return dict(zip(kinds.tolist(), counts.tolist(), strict=True))
