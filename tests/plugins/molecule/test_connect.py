"""Which atoms hang together, and Molecule itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from difftool import DataError
from difftool_molecule.connect import parts
from difftool_molecule.elements import NUMBERS, RADII, SYMBOLS, number
from difftool_molecule.molecule import Molecule
from difftool_molecule.near import near

from .conftest import carbons, made, methane, salt, water


def together(*molecules: Molecule, apart: float = 10.0) -> Molecule:
    """All of them, in a row, without bonds."""
    return Molecule(
        np.concatenate([one.numbers for one in molecules]),
        np.concatenate(
            [one.positions + np.array([apart * i, 0, 0]) for i, one in enumerate(molecules)]
        ),
        np.concatenate([one.charges for one in molecules]),
    )


def as_lists(found: list[np.ndarray]) -> list[list[int]]:
    return [part.tolist() for part in found]


def test_by_distance():
    assert as_lists(parts(together(water(), methane(), water()))) == [
        [3, 4, 5, 6, 7],
        [0, 1, 2],
        [8, 9, 10],
    ]
    assert as_lists(parts(carbons(40)._replace(bonds=None))) == [list(range(40))]
    assert as_lists(parts(salt()._replace(bonds=None))) == [[0, 1], [2]]


def test_the_file_s_bonds_are_believed():
    assert as_lists(parts(water()._replace(bonds=((0, 1, 1),)))) == [[0, 1], [2]]
    assert as_lists(
        parts(
            together(water(), water())._replace(
                bonds=((0, 1, 1), (0, 2, 1), (2, 3, 1), (3, 4, 1), (4, 5, 1))
            )
        )
    ) == [[*range(6)]]
    assert as_lists(parts(water()._replace(bonds=()))) == [[0], [1], [2]]


def test_bonds_may_be_a_little_long():
    reach = RADII[6] + RADII[1]
    assert len(parts(methane(1.29 * reach)._replace(bonds=None))) == 1
    assert len(parts(methane(1.31 * reach)._replace(bonds=None))) == 5


def test_an_atom_alone():
    assert as_lists(parts(made("He", [[0, 0, 0]]))) == [[0]]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 30), st.data())
def test_parts_are_those_of_a_search_by_hand(n, data):
    ends = data.draw(
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=2 * n)
    )
    one = made("C " * n, np.zeros((n, 3)), bonds=[(i, j, 1) for i, j in ends if i != j])
    label = list(range(n))
    for _ in range(n):
        for i, j in ends:
            label[i] = label[j] = min(label[i], label[j])
    by_hand = [np.flatnonzero(np.array(label) == k).tolist() for k in sorted(set(label))]
    assert as_lists(parts(one)) == sorted(by_hand, key=len, reverse=True)


def test_near_is_all_pairs_in_any_number_of_blocks(monkeypatch):
    positions = np.random.default_rng(0).uniform(0, 4, (70, 3))
    gaps = np.linalg.norm(positions[:, None] - positions, axis=-1)
    expected = [(i, j) for i in range(70) for j in range(i + 1, 70) if gaps[i, j] < 1]
    for pairs in (1, 350, 10_000):
        monkeypatch.setattr("difftool_molecule.near.PAIRS", pairs)
        first, second, distances = near(positions, 1.0)
        assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected
        np.testing.assert_array_equal(distances, gaps[first, second])
        assert near(positions, np.full(70, 0.5))[0].tolist() == first.tolist()
    assert len(near(np.empty((0, 3)), 1.0)[0]) == 0


# --- Molecule --------------------------------------------------------------------------------------------------------


def test_raw_and_back():
    raw = salt().raw()
    assert (raw.dtype, raw.shape) == (np.float32, (3, 5))
    np.testing.assert_array_equal(raw[:, 3:], [[8, -1], [1, 0], [3, 1]])
    back = Molecule.from_raw(np.concatenate([raw, np.zeros((4, 5), np.float32)]))
    np.testing.assert_array_equal(back.raw(), raw)
    assert back.bonds is None


def test_some_of_its_atoms():
    part = methane().taken([4, 0, 2])
    assert part.numbers.tolist() == [1, 6, 1]
    np.testing.assert_array_equal(part.positions, methane().positions[[4, 0, 2]])
    assert part.bonds == ((1, 2, 1), (1, 0, 1))
    assert water()._replace(bonds=None).taken([0]).bonds is None


# --- elements --------------------------------------------------------------------------------------------------------


def test_symbols_and_numbers():
    assert (len(SYMBOLS) - 1, SYMBOLS[1], SYMBOLS[26], SYMBOLS[118]) == (118, "H", "Fe", "Og")
    assert all(number(SYMBOLS[z]) == z for z in range(1, 119))
    assert NUMBERS["CL"] == NUMBERS["cl"] == NUMBERS["17"] == number(" Cl ") == 17
    with pytest.raises(DataError, match="There is no element 'Q'"):
        number("Q")


def test_radii_agree_with_rdkit_s():
    """RDKit's table is Cordero's too, for carbon as sp3."""
    chem = pytest.importorskip("rdkit.Chem")
    table = chem.GetPeriodicTable()
    assert set(RADII) == set(range(1, 119))
    assert [z for z in range(1, 97) if abs(RADII[z] - table.GetRcovalent(z)) > 0.011] == []
