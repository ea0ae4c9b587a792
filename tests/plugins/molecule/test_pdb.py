"""Ligands of PDB files."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_molecule.connect import parts
from difftool_molecule.files import atoms_of, columns_of, molecule

from .conftest import refusal, save


def atom(
    serial: int, name: str, residue: str, x: float, *, record: str = "HETATM", chain: str = "A", number: int = 1, element: str = "", end: str = "",
    place: str = " ",
) -> str:  # fmt: skip
    """A record; ``place`` marks one of alternative ones."""
    return f"{record:<6}{serial:5d} {name:<4}{place}{residue:>3} {chain}{number:4d}    {x:8.3f}{0:8.3f}{x % 3:8.3f}  1.00  0.00{'':10}{element:>2}{end}\n"


CHAIN = "".join(
    atom(i, name, "ALA", 1.5 * i, record="ATOM")
    for i, name in enumerate((" N  ", " CA ", " C  ", " O  "), 1)
)
WATER = atom(90, " O  ", "HOH", 40.0) + atom(91, " H  ", "HOH", 41.0)
ION = atom(92, "ZN  ", " ZN", 50.0, element="ZN", end="2+")
LIGAND = (
    atom(11, " C1 ", "LIG", 1.5)
    + atom(12, " C2 ", "LIG", 3.0)
    + atom(13, "CL1 ", "LIG", 4.7)
    + atom(14, " O1 ", "LIG", 6.0, end="1-")
)
OTHER = atom(21, " C1 ", "XYZ", 1.5, chain="B", element="C") + atom(
    22, " N1 ", "XYZ", 3.0, chain="B", element="N"
)


def test_every_ligand_is_a_molecule(tmp_path):
    path = save(tmp_path / "a.pdb", CHAIN + WATER + LIGAND + ION + OTHER + "END\n")
    assert columns_of(path) == [{"residue": "LIG"}, {"residue": "XYZ"}]
    first, second = molecule(path, 0), molecule(path, 1)
    assert first.numbers.tolist() == [
        6,
        6,
        17,
        8,
    ]  # by the names of atoms, where no element is given
    assert first.charges.tolist() == [0, 0, 0, -1]
    assert first.bonds is None
    np.testing.assert_allclose(
        first.positions, [[1.5, 0, 1.5], [3, 0, 0], [4.7, 0, 1.7], [6, 0, 0]]
    )
    assert second.numbers.tolist() == [6, 7]
    assert [list(one.numbers) for one in atoms_of(path) if one] == [[6, 6, 17, 8], [6, 7]]


def test_names_of_hydrogens_may_look_like_metals(tmp_path):
    names = ("HG11", "HE21", "HO5'", "1HB ", " H1 ", "HG  ")
    path = save(
        tmp_path / "a.pdb",
        "".join(atom(i, name, "LIG", 1.5 * i) for i, name in enumerate(names, 1)),
    )
    assert molecule(path).numbers.tolist() == [1, 1, 1, 1, 1, 80]


def test_residues_of_the_chain_are_no_ligands(tmp_path):
    mse = atom(31, " N  ", "MSE", 9.0) + atom(32, "SE  ", "MSE", 11.0)
    path = save(tmp_path / "a.pdb", "SEQRES   1 A    2  ALA MSE\n" + CHAIN + mse + LIGAND)
    assert columns_of(path) == [{"residue": "LIG"}]


def test_every_model_and_every_number(tmp_path):
    two = LIGAND + atom(41, " C1 ", "LIG", 1.5, number=2) + atom(42, " C2 ", "LIG", 3.0, number=2)
    path = save(
        tmp_path / "a.pdb", f"MODEL        1\n{two}ENDMDL\nMODEL        2\n{LIGAND}ENDMDL\n"
    )
    assert [len(one.numbers) for one in atoms_of(path) if one] == [4, 2, 4]


def test_the_first_of_alternative_places(tmp_path):
    twice = (
        atom(11, " C1 ", "LIG", 1.5, place="A")
        + atom(12, " C1 ", "LIG", 1.7, place="B")
        + atom(13, " O1 ", "LIG", 3.0)
    )
    assert molecule(save(tmp_path / "a.pdb", twice)).positions[:, 0].tolist() == [1.5, 3.0]


def test_atoms_of_one_name_stay_apart(tmp_path):
    alike = atom(1, " C  ", "UNL", 1.5) + atom(2, " C  ", "UNL", 3.0) + atom(3, " C  ", "UNL", 4.5)
    assert len(molecule(save(tmp_path / "a.pdb", alike)).numbers) == 3


def test_bonds_where_all_atoms_have_one(tmp_path):
    path = save(
        tmp_path / "a.pdb",
        LIGAND + "CONECT   11   12\nCONECT   12   11   13   13\nCONECT   13   14\n",
    )
    assert molecule(path).bonds == ((0, 1, 1), (1, 2, 1), (2, 3, 1))
    assert len(parts(molecule(path))) == 1
    assert molecule(save(tmp_path / "b.pdb", LIGAND + "CONECT   11   12\n")).bonds is None


def test_as_rdkit_writes_it(tmp_path):
    chem = pytest.importorskip("rdkit.Chem")
    from rdkit.Chem import rdDistGeom

    mol = chem.AddHs(chem.MolFromSmiles("OCC(Cl)Br"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    chem.MolToPDBFile(mol, str(tmp_path / "a.pdb"))
    found = molecule(tmp_path / "a.pdb")
    assert found.numbers.tolist() == [one.GetAtomicNum() for one in mol.GetAtoms()]
    np.testing.assert_allclose(found.positions, mol.GetConformer().GetPositions(), atol=1e-3)
    assert found.bonds is not None
    assert {bond[:2] for bond in found.bonds} == {
        tuple(sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))) for b in mol.GetBonds()
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHAIN + WATER + ION, "holds no ligand: it has 4 atoms of chains and 3 others"),
        ("HEADER\nEND\n", "it has no atoms at all"),
        (LIGAND.replace("   1.500", "   x.500", 1), "a coordinate that is not a number"),
        (LIGAND + atom(15, " Q1 ", "LIG", 8.0), "an atom of no known element"),
        (LIGAND + atom(15, " C9 ", "LIG", 6.0), "two atoms at one place"),
    ],
)
def test_bad_ones(tmp_path, text, words):
    path = save(tmp_path / "a.pdb", text)
    assert len(columns_of(path)) == 1
    assert words in refusal(path)
