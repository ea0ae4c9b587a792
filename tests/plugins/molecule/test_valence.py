"""How many hydrogens heavy atoms lack."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_molecule.demo import molecules
from difftool_molecule.valence import hydrogens
from difftool_molecule.valence import lacking as lacks

from .geometries import ALL, BENZENE, line, raw, ring, tetrahedron, together, turned


def lacking(example: np.ndarray) -> tuple[int, int]:
    """Found, and true."""
    return hydrogens(example[example[:, 3] != 1]), int((example[:, 3] == 1).sum())


@pytest.mark.parametrize("name", ALL)
def test_hydrogens_are_counted_as_they_are(name):
    for example in (ALL[name], turned(ALL[name])):
        found, true = lacking(example)
        assert found == true


def test_most_molecules_of_the_demo_set_are_counted_to_the_atom():
    """Of all 3600, 0.995; the others are small strained rings."""
    found = []
    for numbers, positions in list(molecules())[::9]:
        found.append(
            lacking(
                np.concatenate((positions, numbers[:, None], 0 * numbers[:, None]), 1).astype(
                    np.float32
                )
            )
        )
    assert np.mean([a == b for a, b in found]) > 0.98
    assert max(abs(a - b) for a, b in found) <= 4


def test_each_atom_lacks_its_own():
    """A chain of C-C=C=O; and of N-C=N, whose double bond is the shorter one."""
    chain = raw(("C", -1.2, 0.9, 0), ("C", 0, 0, 0), ("C", 1.31, 0, 0), ("O", 2.47, 0, 0))
    assert lacks(chain).tolist() == [3, 1, 0, 0]
    amidine = raw(("N", 0, -1.36, 0), ("C", 0, 0, 0), ("N", 1.1, 0.65, 0))
    assert lacks(amidine).tolist() == [2, 1, 1]
    assert lacks(amidine * np.float32([1, -1, 1, 1, 1])).tolist() == [2, 1, 1]


@pytest.mark.parametrize("name", ALL)
def test_the_whole_is_the_sum_of_its_atoms_in_any_order(name):
    heavy = ALL[name][ALL[name][:, 3] != 1]
    found = lacks(heavy)
    assert found.shape == (len(heavy),)
    assert (found >= 0).all()
    assert found.sum() == hydrogens(heavy) == hydrogens(heavy[::-1])


def test_double_bonds_of_a_ring_take_turns():
    """All six bonds are of one length, and three of them are double; of seven carbons one is left over."""
    assert lacking(BENZENE) == (6, 6)
    assert hydrogens(ring(7, 1.39, 1.08)[:7]) == 8


def test_an_ion_has_the_valency_of_the_element_with_its_electrons():
    def alone(symbol: str, charge: int) -> int:
        return hydrogens(raw((symbol, 0, 0, 0), charges={0: charge}))

    assert [
        alone("N", 0),
        alone("N", 1),
        alone("O", -1),
        alone("O", 0),
        alone("O", 1),
        alone("B", -1),
    ] == [3, 4, 1, 2, 3, 4]


def test_short_bonds_of_terminal_oxygen_make_more_of_sulfur_phosphorus_and_nitrogen():
    nitro = raw(("C", 1.49, 0, 0), ("N", 0, 0, 0), ("O", -0.57, 1.08, 0), ("O", -0.57, -1.08, 0))
    assert hydrogens(nitro) == 3
    nitro[1, 4], nitro[2, 4] = 1, -1
    assert hydrogens(nitro) == 3
    sulfone = tetrahedron("S", 1.44, "O", "O", "C", "C")
    sulfone[3:, :3] *= 1.77 / 1.44
    assert hydrogens(sulfone) == 6
    sulfide = raw(("C", 1.3, 1.25, 0), ("S", 0, 0, 0), ("C", -1.3, 1.25, 0))
    assert hydrogens(sulfide) == 6


def test_lines_take_two_double_bonds_or_a_triple_one():
    assert hydrogens(line(("C", 0), ("C", 1.31), ("C", 1.31))) == 4
    assert hydrogens(line(("C", 0), ("C", 1.46), ("N", 1.16))) == 3
    assert hydrogens(line(("N", 0), ("N", 1.098))) == 0


def test_a_single_hydrogen_lacks_another_and_metals_and_noble_gases_lack_none():
    assert [hydrogens(raw((symbol, 0, 0, 0))) for symbol in ("H", "He", "Na", "Cl", "C")] == [
        1,
        0,
        0,
        1,
        4,
    ]


def test_atoms_apart_are_counted_each_for_itself():
    assert hydrogens(together(*(raw((symbol, 0, 0, 0)) for symbol in "CNO"))) == 4 + 3 + 2


@pytest.mark.parametrize("scale", [0.0, 0.3, 3.0, 1e6])
def test_odd_geometries_are_answered_too(scale):
    for seed in range(5):
        positions = scale * np.random.default_rng(seed).normal(size=(30, 3))
        example = np.concatenate((positions, np.full((30, 1), 6), np.zeros((30, 1))), 1).astype(
            np.float32
        )
        assert 0 <= hydrogens(example) <= 120
