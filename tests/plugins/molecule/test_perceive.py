"""What a judge sees of a molecule does not depend on how it is laid or numbered."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_molecule.surroundings import REACH, WIDTH, surroundings

ELEMENTS = (1, 6, 8)


def molecule(seed: int = 0, n: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    numbers = rng.choice(ELEMENTS, n)
    return np.column_stack([rng.normal(0, 2, (n, 3)), numbers, np.zeros(n)]).astype(np.float32)


def test_turned_moved_and_renumbered_it_is_the_same():
    rng, given = np.random.default_rng(1), molecule()
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    other = given[rng.permutation(len(given))].copy()
    other[:, :3] = other[:, :3] @ turn.T + 1.5
    found, again = surroundings(given, ELEMENTS), surroundings(other, ELEMENTS)
    assert found.shape == (6, round(REACH / WIDTH))
    # a distance at the border of two bins may fall to either
    assert np.abs(found - again).sum() <= 4
    assert np.abs(found - surroundings(molecule(2), ELEMENTS)).sum() > 20


def test_each_pair_is_counted_at_its_distance():
    water = np.array(
        [[0, 0, 0, 8, 0], [0.96, 0, 0, 1, 0], [-0.24, 0.93, 0, 1, 0], [0, 0, 0, 0, 0]], np.float32
    )
    counts = surroundings(water, ELEMENTS) ** 2
    pairs = [(1, 1), (1, 6), (1, 8), (6, 6), (6, 8), (8, 8)]
    found = {
        (pair, at): counts[i, at]
        for i, pair in enumerate(pairs)
        for at in np.flatnonzero(counts[i])
    }
    assert found == {
        ((1, 1), 0): pytest.approx(2),  # two atoms at distance 0 from themselves
        ((1, 1), int(1.52 / WIDTH)): pytest.approx(2),
        ((1, 8), int(0.96 / WIDTH)): pytest.approx(2),
        ((8, 8), 0): pytest.approx(1),
    }
