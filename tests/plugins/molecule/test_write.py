"""Molecule files: what is written is read back, by us and by others, with bonds and provenance, and nothing is ever overwritten."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from difftool import DataError, UsageError
from difftool_molecule import perceive
from difftool_molecule import write as module
from difftool_molecule.files import columns_of, molecule
from difftool_molecule.write import write

from .geometries import (
    ACETYLENE,
    ALL,
    AMMONIA,
    BENZENE,
    FORMALDEHYDE,
    METHANE,
    WATER,
    raw,
    tetrahedron,
    together,
    turned,
)

Chem = pytest.importorskip("rdkit.Chem")

FORMATS = ["sdf", "xyz"]
DIGITS = {"sdf": 0.5e-4, "xyz": 0.5e-6}
AMMONIUM = (
    tetrahedron("N", 1.02, "H", "H", "H", "H")
    + np.float32([0, 0, 0, 0, 1]) * (np.arange(5) == 0)[:, None]
)

NITROMETHANE = raw(
    ("C", 0, 0, 0), ("N", 1.489, 0, 0), ("O", 2.06, 1.084, 0), ("O", 2.06, -1.084, 0),
    ("H", -0.365, 1.027, 0), ("H", -0.365, -0.513, 0.889), ("H", -0.365, -0.513, -0.889),
)  # fmt: skip


def read_by_rdkit(path: Path) -> Chem.Mol:
    """As it stands in the file."""
    if path.suffix == ".xyz":
        return Chem.MolFromXYZFile(str(path))
    return next(Chem.SDMolSupplier(str(path), removeHs=False, sanitize=False))


def bonds_in(path: Path) -> list[tuple[int, int, int]]:
    """``(i, j, order)``."""
    mol = read_by_rdkit(path)
    return sorted(
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), int(bond.GetBondTypeAsDouble()))
        for bond in mol.GetBonds()
    )


def provenance(path: Path) -> dict:
    """As a program without our reader finds it."""
    if path.suffix == ".sdf":
        return json.loads(read_by_rdkit(path).GetProp("difftool"))
    quoted = re.search(r'difftool=("(?:[^"\\]|\\.)*")$', path.read_text().split("\n")[1])
    return json.loads(re.sub(r"\\(.)", r"\1", quoted[1][1:-1]))


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", [*ALL, "benzene", "ammonium"])
def test_what_is_written_is_read_back(tmp_path, format, name):
    example = turned({**ALL, "benzene": BENZENE, "ammonium": AMMONIUM}[name])
    path = write(example, tmp_path / "deep" / "000001-a.b", format, {"seed": 1})
    assert path == tmp_path / "deep" / f"000001-a.b.{format}"
    assert list(path.parent.iterdir()) == [path]
    found = molecule(path, 0).raw()
    assert np.array_equal(found[:, 3:], example[:, 3:])
    assert np.abs(found[:, :3] - example[:, :3]).max() <= 1.1 * DIGITS[format]
    if format == "xyz" and example[:, 4].any():
        return  # RDKit reads no XYZ of more columns than four
    other = read_by_rdkit(path)
    assert [atom.GetAtomicNum() for atom in other.GetAtoms()] == example[:, 3].tolist()
    assert (
        np.abs(other.GetConformer().GetPositions() - example[:, :3]).max() <= 1.1 * DIGITS[format]
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "info",
    [
        {"seed": 3, "model": 'runs/"Käse"\\model', "class": "二"},
        {"caption": "né $$$$\n\n> <a>\n" * 500},
        {"at": Path("a")},
    ],
)
def test_provenance_is_in_the_file_and_no_property_of_the_molecule(tmp_path, format, info):
    path = write(WATER, tmp_path / "a", format, info)
    assert provenance(path) == json.loads(json.dumps(info, default=str))
    assert columns_of(path) == [{}]


@pytest.mark.parametrize("format", FORMATS)
def test_without_provenance_there_is_none(tmp_path, format):
    path = write(WATER, tmp_path / "a", format, {})
    assert "difftool=" not in path.read_text()
    assert "<difftool>" not in path.read_text()
    assert len(molecule(path, 0).numbers) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_an_existing_file_stays_as_it_is(tmp_path, format):
    path = write(WATER, tmp_path / "a", format, {})
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write(METHANE, tmp_path / "a", format, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_what_fails_on_the_way_leaves_nothing(tmp_path, format, monkeypatch):
    writer = module.WRITERS[format]

    def fail(example, name, comment):
        yield next(writer(example, name, comment))
        raise KeyboardInterrupt

    monkeypatch.setitem(module.WRITERS, format, fail)
    with pytest.raises(KeyboardInterrupt):
        write(WATER, tmp_path / "a", format, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_molecule_is_the_same_bytes(tmp_path, format):
    one, other = (
        write(BENZENE, tmp_path / folder / "a", format, {"seed": 1}).read_bytes() for folder in "ab"
    )
    assert one == other
    assert b"\r" not in one


@pytest.mark.parametrize("format", FORMATS)
def test_atoms_at_no_place_are_written_as_such_and_refused_when_read(tmp_path, format):
    example = together(WATER, METHANE)
    example[4, 1] = np.nan
    path = write(example, tmp_path / "a", format, {})
    with pytest.raises(DataError, match="atom 5"):
        molecule(path, 0)


# --- SDF -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_rdkit(monkeypatch):
    monkeypatch.setattr(perceive, "has_rdkit", lambda: False)


def test_bonds_have_the_orders_that_chemists_give_them(tmp_path):
    assert bonds_in(write(FORMALDEHYDE, tmp_path / "a", "sdf", {})) == [
        (0, 1, 2),
        (0, 2, 1),
        (0, 3, 1),
    ]
    assert bonds_in(write(ACETYLENE, tmp_path / "b", "sdf", {})) == [
        (0, 1, 1),
        (1, 2, 3),
        (2, 3, 1),
    ]
    inner = [order for i, j, order in bonds_in(write(BENZENE, tmp_path / "c", "sdf", {})) if j < 6]
    assert sorted(inner) == [1, 1, 1, 2, 2, 2]


def test_charges_that_bonds_ask_for_are_written(tmp_path):
    path = write(NITROMETHANE, tmp_path / "a", "sdf", {})
    mol = read_by_rdkit(path)
    Chem.SanitizeMol(mol)
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == "C[N+](=O)[O-]"
    assert sorted(molecule(path, 0).charges.tolist()) == [-1, 0, 0, 0, 0, 0, 1]


def test_more_ions_than_a_line_may_hold(tmp_path):
    path = write(together(*[AMMONIUM] * 9), tmp_path / "a", "sdf", {})
    assert molecule(path, 0).charges.tolist() == [1, 0, 0, 0, 0] * 9
    assert sum(atom.GetFormalCharge() for atom in read_by_rdkit(path).GetAtoms()) == 9


@pytest.mark.usefixtures("no_rdkit")
def test_without_rdkit_bonds_are_those_of_the_tables(tmp_path):
    assert bonds_in(write(FORMALDEHYDE, tmp_path / "a", "sdf", {})) == [
        (0, 1, 2),
        (0, 2, 1),
        (0, 3, 1),
    ]
    inner = [order for i, j, order in bonds_in(write(BENZENE, tmp_path / "b", "sdf", {})) if j < 6]
    assert inner == [1] * 6
    path = write(AMMONIUM, tmp_path / "c", "sdf", {})
    assert molecule(path, 0).charges.tolist() == [1, 0, 0, 0, 0]


def test_what_rdkit_makes_nothing_of_has_the_bonds_of_the_tables(tmp_path):
    """A methyl radical, beside an ethyne whose bonds are clear."""
    example = together(METHANE[:4], ACETYLENE)
    assert perceive.perceived(example) is None
    path = write(example, tmp_path / "a", "sdf", {})
    assert bonds_in(path) == [(0, 1, 1), (0, 2, 1), (0, 3, 1), (4, 5, 1), (5, 6, 3), (6, 7, 1)]


def test_heavy_atoms_alone_are_not_bonded_as_if_nothing_were_missing(tmp_path):
    path = write(BENZENE[:6], tmp_path / "a", "sdf", {})
    assert [order for *_, order in bonds_in(path)] == [1] * 6
    assert not molecule(path, 0).charges.any()


def test_a_molecule_that_takes_too_many_tries_is_given_up():
    """Thirty sulfur atoms in a spiral and no hydrogen at one end: no valencies fit, and there are 3 to the power of 30 to try."""
    angle = 1.2 * np.arange(30)
    chain = np.stack((1.6 * np.cos(angle), 1.6 * np.sin(angle), 0.75 * np.arange(30)), 1)
    example = raw(
        *(("S", *place) for place in chain.tolist()),
        ("H", *(chain[0] + (0.5, -1.2, -0.4)).tolist()),
    )
    assert (np.abs(np.linalg.norm(np.diff(chain, axis=0), axis=1) - 2.0) < 0.1).all()
    assert perceive.perceived(example) is None


def test_the_older_form_is_used_as_long_as_it_can_count(tmp_path):
    most = together(*[METHANE] * 199)  # 995 atoms
    more = together(*[METHANE] * 200)
    for example, form in ((most, "V2000"), (more, "V3000")):
        path = write(example, tmp_path / form, "sdf", {"seed": 2})
        assert path.read_text().split("\n")[3].endswith(form)
        found = molecule(path, 0).raw()
        assert np.allclose(found, example, rtol=1e-6, atol=1.1 * DIGITS["sdf"])
        assert len(bonds_in(path)) == len(example) // 5 * 4
        assert provenance(path) == {"seed": 2}


@pytest.mark.parametrize("far", [9998.5, -9998.5, 9999.5, -54321.5, 2e6])
def test_atoms_far_off_are_where_they_were(tmp_path, far):
    example = together(AMMONIUM, METHANE)
    example[5:, 1] += far
    path = write(example, tmp_path / "a", "sdf", {})
    found = molecule(path, 0).raw()
    assert np.allclose(found, example, rtol=1e-6, atol=1.1 * DIGITS["sdf"])
    assert np.allclose(
        read_by_rdkit(path).GetConformer().GetPositions(),
        example[:, :3],
        rtol=1e-6,
        atol=1.1 * DIGITS["sdf"],
    )


def test_the_title_is_the_name_and_stays_one_line(tmp_path):
    assert (
        write(AMMONIA, tmp_path / "000001-x", "sdf", {})
        .read_text()
        .startswith("000001-x\n  difftool")
    )
    assert molecule(write(AMMONIA, tmp_path / ("a" * 200), "sdf", {}), 0).numbers.tolist() == [
        7,
        1,
        1,
        1,
    ]
