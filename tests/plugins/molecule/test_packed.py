"""MOL2, and files that gzip has packed."""

from __future__ import annotations

import gzip

import pytest

from difftool_molecule.files import atoms_of, columns_of, molecule

from .conftest import methane, refusal, same, save, water, xyz

MOL2 = """# made by hand
@<TRIPOS>MOLECULE
{name}
 {atoms} 2 0 0 0
SMALL
GASTEIGER

@<TRIPOS>ATOM
      1 O1    0.0    0.0    0.1 O.3     1  UNL1  -0.4
      2 H2    0.0   0.76   -0.5 H       1  UNL1   0.2
      3 H3    0.0  -0.76   -0.5 {kind}  1  UNL1   0.2
@<TRIPOS>BOND
     1     1     2    1
     2     1     3    1
"""


def _mol2(name="water", atoms=3, kind="H"):
    return MOL2.format(name=name, atoms=atoms, kind=kind)


def test_mol2(tmp_path):
    path = save(tmp_path / "a.mol2", _mol2() + _mol2("@home", kind="C.ar") + _mol2(kind="N.4"))
    assert columns_of(path) == [{}, {}, {}]
    found = [molecule(path, part) for part in range(3)]
    assert [one.numbers.tolist() for one in found] == [[8, 1, 1], [8, 1, 6], [8, 1, 7]]
    assert found[0].positions.tolist() == [[0, 0, 0.1], [0, 0.76, -0.5], [0, -0.76, -0.5]]
    assert [one.charges.tolist() for one in found] == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert [(list(one.numbers), one.charged) for one in atoms_of(path)][2] == ([8, 1, 7], True)


@pytest.mark.parametrize(
    ("text", "said"),
    [(_mol2(atoms=4), "says it has 4 atoms, and 3"), (_mol2(kind="Du"), "no known element: 'Du'")],
)
def test_bad_mol2(tmp_path, text, said):
    assert said in refusal(save(tmp_path / "a.mol2", text))


def test_packed_files_are_those_that_were_packed(tmp_path):
    text = xyz(water()) + xyz(methane())
    path = tmp_path / "a.xyz.GZ"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(columns_of(path)) == 2
    same(molecule(path, 1), methane())
    same(molecule(path, 0), water())  # back to the beginning


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.xyz.gz", gzip.compress(b"3\nwater\n" * 99)[:20], "cut short or damaged"),
        ("a.xyz.gz", b"3\nwater\n", "cut short or damaged"),
        ("a.xyz.gz", gzip.compress(b""), "empty once it is unpacked"),
        ("a.xyz.gz", gzip.compress(b"\n" * (1 << 27), 1), "out of proportion to its size"),
        ("notes.tar.gz", gzip.compress(b"x"), "not a file of molecules"),
    ],
)
def test_bad_packed_files(tmp_path, name, data, said):
    path = tmp_path / name
    path.write_bytes(data)
    assert said in refusal(path)


@pytest.mark.parametrize("suffix", ["smi", "csv", "pdb"])
def test_a_list_that_is_too_large_to_read_at_once_is_named(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("difftool_molecule.reader.LARGEST", 10)
    assert "Cut it into several files" in refusal(
        save(tmp_path / f"a.{suffix}", "smiles\nCCO\nCCN\n")
    )
