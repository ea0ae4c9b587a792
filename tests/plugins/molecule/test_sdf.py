"""SDF and MOL files, good and bad."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_molecule.files import atoms_of, columns_of, molecule

from .conftest import made, methane, refusal, salt, same, save, sdf, water

FLAT = made("C C C C", [[0, 0, 0], [1.4, 0, 0], [1.4, 1.4, 0], [0, 1.4, 0]], bonds=[(0, 1, 1)])


@pytest.mark.parametrize("version", [2000, 3000])
def test_as_it_stands(tmp_path, version):
    path = save(
        tmp_path / "a.sdf",
        "".join(sdf(one, version=version) for one in (water(), salt(), methane())),
    )
    for part, expected in enumerate((water(), salt(), methane())):
        found = molecule(path, part)
        same(found, expected)
        assert found.bonds == expected.bonds
    atoms = [one for one in atoms_of(path) if one]
    assert [list(one.numbers) for one in atoms] == [[8, 1, 1], [8, 1, 3], [6, 1, 1, 1, 1]]
    assert [one.charged for one in atoms] == [False, True, False]


@pytest.mark.parametrize("version", [2000, 3000])
def test_as_rdkit_writes_it(tmp_path, version):
    chem = pytest.importorskip("rdkit.Chem")
    from rdkit.Chem import rdDistGeom

    mol = chem.AddHs(chem.MolFromSmiles("C[N+](C)(C)CC([O-])=O.c1ccccc1F"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    chem.Kekulize(mol, clearAromaticFlags=True)
    mol.SetProp("_Name", "betaine")
    mol.SetDoubleProp("energy", -3.5)
    mol.SetProp("notes", "two\nlines")
    with chem.SDWriter(str(tmp_path / "a.sdf")) as writer:
        writer.SetForceV3000(version == 3000)
        for _ in range(2):
            writer.write(mol)
    assert columns_of(tmp_path / "a.sdf") == [{"energy": -3.5, "notes": "two\nlines"}] * 2
    found = molecule(tmp_path / "a.sdf", 1)
    assert found.numbers.tolist() == [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    assert found.charges.tolist() == [atom.GetFormalCharge() for atom in mol.GetAtoms()]
    np.testing.assert_allclose(found.positions, mol.GetConformer().GetPositions(), atol=6e-5)
    bonds = tuple(
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), int(bond.GetBondTypeAsDouble()))
        for bond in mol.GetBonds()
    )
    assert found.bonds == bonds


def test_a_mol_file(tmp_path):
    text = sdf(water()).removesuffix("$$$$\n")
    same(molecule(save(tmp_path / "a.mol", text)), water())
    same(molecule(save(tmp_path / "b.mol", text.replace("\n", "\r\n"))), water())


def test_charges_by_code(tmp_path):
    text = sdf(methane()).replace(" C   0  0", " C   0  5")
    path = save(tmp_path / "a.sdf", text)
    assert molecule(path).charges.tolist() == [-1, 0, 0, 0, 0]
    (atoms,) = atoms_of(path)
    assert atoms is not None
    assert atoms.charged
    both = text.replace("M  END", "M  CHG  1   2   2\nM  END")  # the codes are void then
    assert molecule(save(tmp_path / "b.sdf", both)).charges.tolist() == [0, 2, 0, 0, 0]


def test_properties(tmp_path):
    first, second = (
        sdf(water(), energy=1.5, code="007", empty="", source="x"),
        sdf(methane(), energy="-2", code="12", source="3"),
    )
    assert columns_of(save(tmp_path / "a.sdf", first + second)) == [
        {"energy": 1.5, "code": "007", "source": "x"},
        {"energy": -2.0, "code": "12", "source": "3"},
    ]


def test_titles_may_be_empty_and_blank_lines_may_follow(tmp_path):
    path = save(tmp_path / "a.sdf", sdf(water()) + sdf(methane(), title="x") + "\n\n")
    assert len(columns_of(path)) == 2
    same(molecule(path, 1), methane())


def test_more_atoms_than_its_columns_leave_blanks_between(tmp_path):
    grid = np.stack(np.meshgrid(*[np.arange(5) * 1.5] * 3), -1).reshape(-1, 3)[:120]
    many = made("C " * 120, grid, bonds=[(i, i + 1, 1) for i in range(119)])
    found = molecule(save(tmp_path / "a.sdf", sdf(many)))
    same(found, many)
    assert found.bonds == many.bonds


WHOLE = sdf(water(), energy=1.5)

BAD = {
    "is a drawing, all of it at z = 0": sdf(FLAT, "2D"),
    "write 3D into columns 21 and 22": sdf(FLAT, "  "),
    "says it has 4 atoms and 2 bonds, and 5 lines": WHOLE.replace("  3  2", "  4  2", 1),
    "says it has 2 atoms and 2 bonds, and 5 lines": WHOLE.replace("  3  2", "  2  2", 1),
    "its line of counts is": WHOLE.replace("  3  2", "three ", 1),
    "atom 2 is of no known element, 'R#'": WHOLE.replace(" H   ", " R#  ", 1),
    "atom 1 has no three coordinates": WHOLE.replace("0.1190", "zero  ", 1),
    "bond 2 is between atoms 1 and 9 of 3": WHOLE.replace("  1  3  1", "  1  9  1"),
    "bond 1 is": WHOLE.replace("  1  2  1", "  1  x  1"),
    "gives a charge to atom 7 of 3": WHOLE.replace("M  END", "M  CHG  1   7   1\nM  END"),
    "its position is not a number": WHOLE.replace("    0.1190", "       nan"),
    "atoms at one place: 1 and 2": sdf(made("C C", [[0, 0, 1], [0, 0, 1]])),
    "it ends before its line of counts": "\n$$$$\n",
    "it has no line 'M  END'": WHOLE.replace("M  END\n", ""),
    "there are 3 and 2": sdf(water(), version=3000).replace("COUNTS 3", "COUNTS 4"),
    "it has no line of counts": sdf(water(), version=3000).replace("COUNTS", "NUMBERS"),
    "bond 2 is between atoms 0 and 0": sdf(water(), version=3000).replace(
        "V30 2 1 10 30", "V30 2 1"
    ),
    "has no atoms": sdf(made("", [])),
}


@pytest.mark.parametrize("words", BAD)
def test_bad_ones_are_named_and_the_others_used(tmp_path, words):
    path = save(tmp_path / "a.sdf", sdf(water()) + BAD[words] + sdf(methane()))
    assert len(columns_of(path)) == len(atoms_of(path)) == 3
    assert words in (text := refusal(path, 1))
    assert "molecule 2" in text
    same(molecule(path, 0), water())
    same(molecule(path, 2), methane())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7, 0.8, 0.95])
def test_a_last_record_that_is_cut_off(tmp_path, share):
    record = sdf(water(), energy=1.5, name="a rather long name of water")
    path = save(tmp_path / "a.sdf", sdf(methane()) + record[: int(share * len(record))])
    assert "(molecule 2) is cut off" in refusal(path, 1)
    same(molecule(path, 0), methane())


def test_a_flat_molecule_that_says_it_is_3d(tmp_path):
    same(molecule(save(tmp_path / "a.sdf", sdf(FLAT, "3D"))), FLAT)


def test_flat_ones_of_three_atoms(tmp_path):
    upright = made("O H H", water().positions[:, [1, 2, 0]])
    same(molecule(save(tmp_path / "a.sdf", sdf(upright, "  "))), upright)
