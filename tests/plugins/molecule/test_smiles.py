"""Lists of SMILES and the geometries that RDKit makes of them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from difftool import DataError, Item, UsageError, remarks
from difftool_molecule.connect import parts
from difftool_molecule.files import atoms_of, columns_of, molecule
from difftool_molecule.measure import settle
from difftool_molecule.options import MoleculeOptions

from .conftest import save

TABLE = "id,SMILES,logp\n1,CCO,-0.3\n2,c1ccccc1,2.1\n"


@pytest.fixture
def without_rdkit(monkeypatch):
    """As if it were not installed."""
    for name in [name for name in sys.modules if name == "rdkit" or name.startswith("rdkit.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit", None)


def test_names_are_a_property(tmp_path):
    path = save(tmp_path / "a.smi", "smiles name\n# none\nCCO ethanol\n\nc1ccccc1\tthe ring\nC\n")
    assert columns_of(path) == [{"name": "ethanol"}, {"name": "the ring"}, {}]


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", TABLE), ("a.tsv", TABLE.replace(",", "\t")), ("a.csv", "\ufeff" + TABLE)],
)
def test_tables(tmp_path, name, text):
    path = save(tmp_path / name, text)
    assert columns_of(path) == [{"id": 1.0, "logp": -0.3}, {"id": 2.0, "logp": 2.1}]


def test_a_column_with_a_longer_name(tmp_path):
    assert columns_of(save(tmp_path / "a.csv", "canonical_smiles,x\nCCO,1\n")) == [{"x": 1.0}]


def test_without_rdkit_the_properties_are_there_and_the_message_says_what_is_missing(
    tmp_path, without_rdkit
):
    path = save(tmp_path / "a.csv", TABLE)
    assert len(columns_of(path)) == 2
    for attempt in (
        lambda: molecule(path, 0),
        lambda: atoms_of(path),
        lambda: settle(MoleculeOptions(), [Item(path)]),
    ):
        with pytest.raises(
            UsageError,
            match=r'Reading SMILES needs RDKit.*pip install "difftool-molecule\[rdkit\]"',
        ):
            attempt()


def test_no_column(tmp_path):
    path = save(tmp_path / "a.csv", "name,x\nethanol,1\n")
    assert columns_of(path) == [{}]
    with pytest.raises(DataError, match=r"has no column smiles.*It has: name, x"):
        molecule(path)


def test_nothing_listed(tmp_path):
    with pytest.raises(DataError, match="lists no molecules"):
        molecule(save(tmp_path / "a.smi", "# nothing\n"))


class TestGeometries:
    """With RDKit only."""

    @pytest.fixture(autouse=True)
    def _rdkit(self):
        pytest.importorskip("rdkit")

    def test_bond_lengths_are_those_of_chemistry(self, tmp_path):
        found = molecule(save(tmp_path / "a.smi", "C=C\n"))
        assert found.numbers.tolist() == [6, 6, 1, 1, 1, 1]
        assert np.linalg.norm(found.positions[0] - found.positions[1]) == pytest.approx(
            1.33, abs=0.02
        )
        assert found.bonds is not None
        assert found.bonds[0] == (0, 1, 2)

    def test_the_same_each_time(self, tmp_path):
        path = save(tmp_path / "a.smi", "CC(C)Cc1ccc(cc1)C(C)C(=O)O\n")
        again = save(tmp_path / "b.smi", "C\nCC(C)Cc1ccc(cc1)C(C)C(=O)O\n")
        np.testing.assert_array_equal(molecule(path).positions, molecule(again, 1).positions)

    def test_hydrogens_and_charges_are_counted_without_a_geometry(self, tmp_path):
        path = save(tmp_path / "a.smi", "CC(=O)[O-]\n[NH4+].[Cl-]\nc1cc[nH]c1\n")
        for part, atoms in enumerate(atoms_of(path)):
            found = molecule(path, part)
            assert atoms is not None
            assert sorted(atoms.numbers) == sorted(found.numbers.tolist())
            assert atoms.charged == bool(found.charges.any())

    def test_a_salt_is_in_parts(self, tmp_path):
        found = molecule(save(tmp_path / "a.smi", "CC(=O)[O-].[Na+]\n"))
        assert [len(part) for part in parts(found)] == [7, 1]
        gaps = np.linalg.norm(
            found.positions[parts(found)[0]] - found.positions[parts(found)[1]], axis=1
        )
        assert 1.5 < gaps.min() < 3.5  # as ions are from each other

    @pytest.mark.parametrize(
        ("smiles", "words"),
        [
            ("C1CC", r"\(line 2: C1CC\) is not the SMILES.*Its syntax is wrong"),
            ("C(C)(C)(C)(C)C", "line 2: .*valence for atom"),
            ("c1cccc1", "line 2: .*kekulize"),
            ("not-a-smiles", "line 2: .*syntax"),
        ],
    )
    def test_bad_ones_are_named_by_line_and_reason(self, tmp_path, smiles, words):
        path = save(tmp_path / "a.smi", f"CCO\n{smiles}\nC\n")
        assert atoms_of(path)[1] is None
        with pytest.raises(DataError, match=words):
            molecule(path, 1)
        assert len(molecule(path, 2).numbers) == 5

    def test_what_has_no_geometry(self, tmp_path):
        path = save(tmp_path / "a.smi", "C1C[C@H]2C[C@@H]1CC2\nC1C[C@@H]2C[C@@H]1CC2\n")
        assert (
            len(molecule(path, 0).numbers) == 19
        )  # norbornane, and then with its bridge in and out at once
        with pytest.raises(DataError, match="was given no geometry in 100 attempts"):
            molecule(path, 1)

    def test_what_is_too_large(self, tmp_path):
        path = save(tmp_path / "a.smi", "C" * 133 + "\n" + "C" * 20 + "\n")
        with pytest.raises(DataError, match=r"has 401 atoms\. Give a file with its geometry"):
            molecule(path, 0)
        assert len(molecule(path, 1).numbers) == 62

    def test_what_the_force_field_does_not_know_is_remarked_on(self, tmp_path):
        with remarks() as said:
            molecule(save(tmp_path / "a.smi", "CB(O)O\n"))
        assert "MMFF94 does not know" in said[0]
