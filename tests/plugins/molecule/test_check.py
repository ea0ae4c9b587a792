"""What ``data check`` says of a set of molecules."""

from __future__ import annotations

import sys

import pytest

from difftool.data.inspect import inspect
from difftool_molecule.check import MoleculeInspection

from .conftest import carbons, made, methane, modality, salt, save, sdf, water, xyz


def report(folder, **options) -> dict[str, str]:
    """All texts of a level, a line each."""
    one, found = modality(**options), {}
    for finding in inspect("molecule", one, one.scan(folder), MoleculeInspection):
        found[finding.level] = f"{found.get(finding.level, '')}{finding.text}\n"
    return found


def complaints(folder, **options) -> str:
    found = report(folder, **options)
    return "".join(found.get(level, "") for level in ("note", "warning", "error"))


def test_a_sound_folder(folder):
    found = report(folder)
    for words in (
        "10 examples in 2 files",
        "all of them can be used",
        "sizes from 3 to 5 atoms, median 4; at most 5 are taken",
        "elements, and atoms of each: H (30), C (5), O (5); trained on H, C, O",
        "no formal charges are learnt",
        "nearest atoms are 0.97 angstrom apart",
        "column energy",
        f"to train: difftool train -m molecule {folder} --recipe tiny",
    ):
        assert words in found["ok"], (words, found)
    assert set(found) == {"ok", "warning"}, found
    assert found["warning"].startswith(
        "4 are copies of others ("
    )  # the waters differ in their place only, and that is not learnt
    assert "water.xyz = " in found["warning"]
    assert "water.xyz (part 2)" in found["warning"]


def test_a_single_file(tmp_path):
    path = save(tmp_path / "a.sdf", sdf(water()) + sdf(methane()))
    assert f"to train: difftool train -m molecule {path} " in report(path)["ok"]


def test_every_bad_one_is_named(folder):
    (folder / "empty.xyz").touch()
    save(folder / "cut.sdf", sdf(methane()) + sdf(water())[:-60])
    save(folder / "nan.xyz", xyz(water()).replace("0.119000", "nan"))
    save(
        folder / "flat.sdf",
        sdf(made("C C C C", [[0, 0, 0], [1.4, 0, 0], [1.4, 1.4, 0], [0, 1.4, 0]]), "2D"),
    )
    save(folder / "close.xyz", "2\n\nC 0 0 0\nC 0 0 0.0005\n")
    save(folder / "polymer.sdf", sdf(carbons(500)))
    text = complaints(folder)
    assert "6 (35.3%) would be skipped" in text
    for words in (
        "empty.xyz is empty",
        "cut.sdf (molecule 2) is cut off",
        "nan.xyz, atom 1: its position",
        "flat.sdf is a drawing",
    ):
        assert words in text, words
    assert "close.xyz has two atoms at one place" in text
    assert "polymer.sdf" in text
    assert "has 500 atoms, more than max_atoms = 5" in text


def test_nothing_that_can_be_used(tmp_path):
    (tmp_path / "a.xyz").touch()
    assert "a.xyz is empty" in report(tmp_path)["error"]
    assert (
        "None of them can be used"
        in report(tmp_path, elements="H", max_atoms=5, charges="drop")["error"]
    )
    save(tmp_path / "a.xyz", xyz(water()))
    assert "Only one example can be used" in report(tmp_path)["error"]


def test_ions_and_salts(folder):
    save(folder / "salt.sdf", sdf(salt()))
    assert "2 unconnected parts" in complaints(folder)
    assert "in several unconnected parts, such as salts: 1 (" in complaints(
        folder, fragments="keep"
    )
    assert "in several unconnected parts" not in complaints(folder, fragments="largest")
    assert "only in parts that are left out: Li. Without: --elements H,C,O." in complaints(
        folder, fragments="largest"
    )
    assert "only in parts that are left out" not in complaints(folder, fragments="keep")
    assert "formal charges, which samples have too" in report(folder)["ok"]


def test_missing_hydrogens(folder):
    save(folder / "bare.sdf", "".join(sdf(carbons(n)) for n in range(3, 9)))
    assert "without hydrogens: 6 (" in complaints(folder)
    assert "without hydrogens" not in complaints(folder, hydrogens="drop")


def test_rare_elements(tmp_path):
    save(
        tmp_path / "a.xyz",
        "".join(xyz(methane(1.05 + 0.0005 * k)) for k in range(200)) + xyz(water()),
    )
    assert (
        "in fewer than one molecule of a hundred: O. To leave those molecules out: --elements H,C."
        in complaints(tmp_path)
    )


def test_distances(folder, tmp_path_factory):
    save(folder / "close.xyz", "2\n\nC 0 0 0\nC 0 0 0.5\n")
    assert "atoms nearer than any bond (0.6 angstrom): 1 (" in complaints(folder)
    bohr = tmp_path_factory.mktemp("bohr")
    save(bohr / "a.xyz", "".join(xyz(methane((1.05 + 0.01 * k) / 0.529177)) for k in range(5)))
    assert "Positions in bohr? Multiply them by 0.529177" in report(bohr, fragments="keep")["error"]


def test_periodic_ones(folder):
    save(
        folder / "a.xyz", xyz(water(), 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3')
    )
    assert "its cell is left aside" in complaints(folder)


def test_a_copy(folder):
    save(folder / "copy.sdf", sdf(methane(1.07)))
    assert "copies of others" in complaints(folder)


def test_a_large_set_like_qm9(tmp_path, monkeypatch):
    save(tmp_path / "a.xyz", "".join(xyz(methane(1.05 + 0.001 * k)) for k in range(20)))
    assert "for a GPU: --recipe small" in report(tmp_path)["ok"]
    monkeypatch.setattr("difftool_molecule.check.QM9_MANY", 20)
    assert "for a GPU: --recipe qm9-edm" in report(tmp_path)["ok"]


def test_some_of_many(tmp_path, monkeypatch):
    monkeypatch.setattr(MoleculeInspection, "most", 5)
    save(tmp_path / "a.xyz", "".join(xyz(methane(1.05 + 0.001 * k)) for k in range(20)))
    assert "20 examples in 1 file (inspected 5 of them, evenly spread)" in report(tmp_path)["ok"]


def test_some_of_the_smiles_and_all_of_the_others(tmp_path, monkeypatch):
    pytest.importorskip("rdkit")
    monkeypatch.setattr("difftool_molecule.check.SLOW_SAMPLE", 2)
    save(tmp_path / "a.smi", "C\nCC\nCCC\nCCCC\n")
    save(tmp_path / "b.xyz", "".join(xyz(methane(1.05 + 0.01 * k)) for k in range(6)))
    assert "10 examples in 2 files (inspected 8 of them, evenly spread)" in report(tmp_path)["ok"]


def test_smiles(tmp_path):
    pytest.importorskip("rdkit")
    save(tmp_path / "a.smi", "CCO\nCCC\nbad\nCC(=O)[O-].[Na+]\n")
    found = report(tmp_path, max_atoms=20)
    assert "SMILES: 3. RDKit makes their geometries" in found["note"]
    assert "2 unconnected parts" in found["note"]
    assert "(line 3: bad) is not the SMILES" in found["warning"]


def test_smiles_without_rdkit(tmp_path, monkeypatch):
    save(tmp_path / "a.smi", "CCO\nCCC\n")
    monkeypatch.setitem(sys.modules, "rdkit", None)
    assert "Reading SMILES needs RDKit" in report(tmp_path)["error"]


def test_an_element_that_is_left_out(folder):
    text = complaints(folder, elements="H,C")
    assert "5 (50.0%) would be skipped" in text
    assert text.count("holds O, and elements is H,C") == 5
