"""Bonds from distances: what the published tables say, to the hundredth of an angstrom, and what stability follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_molecule.bonds import LENGTHS, MARGINS, bonds, limits, stable
from difftool_molecule.elements import SYMBOLS, number
from difftool_molecule.molecule import Molecule

from .geometries import ALL, BENZENE, METHANE, WATER, line, ring, tetrahedron, together, turned


def orders(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """``[n, n]``, symmetric: the order of the bond between each two atoms, 0 where there is none."""
    found = bonds(numbers, positions)
    table = np.zeros((len(numbers), len(numbers)), int)
    table[found.first, found.second] = table[found.second, found.first] = found.order
    return table


def order(first: int, second: int, distance: float) -> int:
    """Of one bond of this length."""
    return orders(np.array([first, second]), np.array([[0.0, 0, 0], [distance, 0, 0]]))[0, 1]


def matrix(raw: np.ndarray) -> np.ndarray:
    molecule = Molecule.from_raw(raw)
    return orders(molecule.numbers, molecule.positions)


def cloud(n: int = 40, seed: int = 0) -> np.ndarray:
    """Atoms anywhere, dense enough for bonds of all orders."""
    rng = np.random.default_rng(seed)
    return np.column_stack(
        (rng.uniform(0, 5, (n, 3)), rng.choice([1, 6, 7, 8, 9], n), np.zeros(n))
    ).astype(np.float32)


@pytest.mark.parametrize(
    ("a", "b", "kind", "limit"),
    [
        ("H", "H", 1, 0.84), ("C", "H", 1, 1.19), ("N", "H", 1, 1.11), ("O", "H", 1, 1.06), ("C", "C", 1, 1.64), ("C", "F", 1, 1.45),
        ("C", "Cl", 1, 1.87), ("N", "Br", 1, 2.24), ("I", "I", 1, 2.76), ("As", "H", 1, 1.62), ("B", "Cl", 1, 1.85), ("Si", "I", 1, 2.53),
        ("C", "C", 2, 1.39), ("C", "N", 2, 1.34), ("C", "O", 2, 1.25), ("N", "N", 2, 1.30), ("N", "O", 2, 1.26), ("O", "O", 2, 1.26),
        ("P", "O", 2, 1.55), ("P", "S", 2, 1.91), ("C", "S", 2, 1.65),
        ("C", "C", 3, 1.23), ("C", "N", 3, 1.19), ("C", "O", 3, 1.16), ("N", "N", 3, 1.13),
    ],
)  # fmt: skip
def test_a_bond_holds_up_to_its_published_length_and_margin(a, b, kind, limit):
    for first, second in ((a, b), (b, a)):
        assert order(number(first), number(second), limit - 1e-4) == kind
        assert order(number(first), number(second), limit + 1e-4) == kind - 1


def test_higher_orders_are_shorter():
    table = limits()
    for lower, higher in ((0, 1), (1, 2)):
        listed = table[higher] > 0
        assert listed.any()
        assert (table[higher] < table[lower])[listed].all()


def test_tables_name_each_pair_once():
    for table in LENGTHS.values():
        pairs = [frozenset(pair.split("-")) for pair in table.split()[::2]]
        assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("pair", [("Na", "Cl"), ("B", "C"), ("Se", "H"), ("Si", "N")])
def test_pairs_without_a_table_are_bonded_by_their_radii_and_never_doubly(pair):
    from difftool_molecule.elements import RADII

    a, b = map(number, pair)
    reach = RADII[a] + RADII[b] + MARGINS[1]
    assert [order(a, b, length) for length in (0.5, reach - 1e-3, reach + 1e-3)] == [1, 1, 0]


@pytest.mark.parametrize("seed", range(3))
def test_orders_are_symmetric_and_follow_the_atoms(seed):
    raw = cloud(seed=seed)
    found = matrix(raw)
    assert set(np.unique(found)) == {0, 1, 2, 3}
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()
    shuffled = np.random.default_rng(seed).permutation(len(raw))
    assert np.array_equal(matrix(raw[shuffled]), found[np.ix_(shuffled, shuffled)])
    assert np.array_equal(matrix(turned(raw, seed)), found)


def test_each_bond_is_named_once_with_its_length():
    molecule = Molecule.from_raw(cloud())
    first, second, kinds, lengths = bonds(molecule.numbers, molecule.positions)
    assert (first < second).all()
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) == len(first)
    assert np.allclose(
        lengths, np.linalg.norm(molecule.positions[first] - molecule.positions[second], axis=1)
    )
    assert kinds.sum() * 2 == orders(molecule.numbers, molecule.positions).sum()


# --- stability -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_known_molecules_are_stable_and_others_without_an_end_are_not(name):
    raw = turned(ALL[name])
    assert stable(raw).all()
    last = raw[:-1]
    bonded = matrix(raw)[-1, :-1] > 0
    assert np.array_equal(stable(last), ~bonded)


def test_neighbours_far_away_change_nothing():
    assert stable(together(*ALL.values())).all()


def test_one_atom_is_stable_if_it_may_be_alone():
    for symbol, alone in (("C", False), ("H", False), ("Ne", True)):
        assert stable(line((symbol, 0.0))).tolist() == [alone]


def test_ions_have_the_valency_of_the_neutral_element_with_as_many_electrons():
    ammonium, hydroxide = tetrahedron("N", 1.02, "H", "H", "H", "H"), line(("O", 0), ("H", 0.97))
    for raw, charge in (
        (ammonium, 1),
        (hydroxide, -1),
        (line(("Cl", 0)), -1),
        (line(("Na", 0)), 1),
        (line(("H", 0)), 1),
    ):
        assert not stable(raw)[0]
        raw[0, 4] = charge
        assert stable(raw).all()


def test_phosphorus_has_two_valencies():
    phosphine = tetrahedron("P", 1.42, "H", "H", "H")
    oxide = np.concatenate((phosphine, tetrahedron("P", 1.48, "O", "O", "O", "O")[-1:]))
    assert stable(phosphine).all()
    assert stable(oxide).all()
    assert matrix(oxide)[0, -1] == 2
    assert not stable(oxide[1:]).any()


def test_lengths_alone_do_not_know_aromatic_rings():
    """A known limit of the tables: benzene's bonds lie between single and double."""
    assert not stable(BENZENE)[:6].any()
    assert stable(BENZENE)[6:].all()
    single = matrix(BENZENE)[:6, :6]
    assert (single.sum(0) == 2).all()
    assert (matrix(ring(6, 1.38, 1.084))[:6, :6].sum(0) == 4).all()


def test_elements_of_no_known_valency_are_never_stable():
    assert stable(line(("Au", 0), ("Cl", 2.2))).tolist() == [False, True]


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_atoms_at_no_place_have_no_bonds(strange):
    raw = together(METHANE, WATER)
    raw[-1, 0] = strange
    found = stable(raw)
    assert not found[-1]
    assert found[:5].all()
    assert not matrix(raw)[-1].any()


def test_all_atoms_at_one_place_are_no_molecule():
    raw = np.tile(METHANE[:1], (300, 1))
    assert not stable(raw).any()


def test_a_thousand_atoms_take_little_memory():
    import tracemalloc

    raw = np.tile(METHANE, (800, 1))
    raw[:, :3] += np.repeat(np.arange(800), 5)[:, None] * 10
    molecule = Molecule.from_raw(raw)
    tracemalloc.start()
    found = bonds(molecule.numbers, molecule.positions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.order) == 3200
    assert peak < 200e6  # all distances of 4000 atoms at once would take three times that


def test_every_element_has_a_limit():
    assert (limits()[0, 1:, 1:] > 0).all()
    assert limits().shape == (3, len(SYMBOLS), len(SYMBOLS))
