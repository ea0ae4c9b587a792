"""XYZ, extended XYZ and QM9's own, good and bad."""

from __future__ import annotations

import pytest

from difftool import parallel, remarks
from difftool_molecule.files import atoms_of, columns_of, molecule

from .conftest import methane, refusal, same, save, water, xyz

EXTENDED = "Properties=species:S:1:pos:R:3"

QM9 = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-6.0313176*^-3\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 2.765748*^-4\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""


def test_one_after_another(tmp_path):
    path = save(
        tmp_path / "a.xyz",
        xyz(water()) + "\n" + xyz(methane(), "12") + "\n\n" + xyz(water(3.0), "CC(=O)O") + "\n",
    )
    assert columns_of(path) == [
        {},
        {},
        {},
    ]  # a comment that is a number, or a SMILES, is no property
    for part, expected in enumerate((water(), methane(), water(3.0))):
        same(molecule(path, part), expected)
    assert molecule(path, 1).bonds is None
    assert [list(one.numbers) for one in atoms_of(path) if one] == [
        [8, 1, 1],
        [6, 1, 1, 1, 1],
        [8, 1, 1],
    ]


@pytest.mark.parametrize(
    "text", [xyz(water()).replace("\n", "\r\n"), "\ufeff" + xyz(water()), xyz(water()).rstrip("\n")]
)
def test_line_ends_and_marks_of_editors(tmp_path, text):
    same(molecule(save(tmp_path / "a.xyz", text)), water())


def test_atomic_numbers_in_place_of_symbols(tmp_path):
    same(
        molecule(save(tmp_path / "a.xyz", xyz(water()).replace("O ", "8 ").replace("H ", "1 "))),
        water(),
    )


@pytest.mark.parametrize(
    ("old", "new"), [("O ", "O1 "), ("H ", "H12 "), ("0.0", "0.0D+00"), ("0.0", "0.0d0")]
)
def test_atoms_as_programs_of_chemistry_write_them(tmp_path, old, new):
    text = xyz(water())
    assert old in text
    path = save(tmp_path / "a.xyz", text.replace(old, new))
    same(molecule(path), water())
    assert [list(one.numbers) for one in atoms_of(path) if one] == [[8, 1, 1]]


def test_isotopes_of_hydrogen_are_hydrogen(tmp_path):
    same(molecule(save(tmp_path / "a.xyz", xyz(water()).replace("H ", "D "))), water())


def test_properties(tmp_path):
    comment = rf'{EXTENDED} energy=-1.5 name="acetic acid" said="a \"b\"" dipole="0 1.5 2" pbc="F F F" n=3 source=dft difftool="{{}}"'
    path = save(
        tmp_path / "a.xyz", xyz(water(), comment) + xyz(methane(), f"{EXTENDED} energy=2 n=none")
    )
    assert columns_of(path) == [
        {"energy": -1.5, "name": "acetic acid", "said": 'a "b"', "n": "3", "source": "dft"},
        {"energy": 2.0, "n": "none"},
    ]


def test_properties_of_a_plain_comment_are_its_numbers(tmp_path):
    path = save(tmp_path / "a.xyz", xyz(water(), "C=CC=O energy=-7.25 step= 3 made with love=yes"))
    assert columns_of(path) == [{"energy": -7.25}]


def test_what_is_not_finite_is_missing(tmp_path):
    path = save(
        tmp_path / "a.xyz",
        xyz(water(), f"{EXTENDED} energy=nan") + xyz(water(), f"{EXTENDED} energy=1"),
    )
    assert columns_of(path) == [{}, {"energy": 1.0}]


def test_columns_of_atoms_in_any_order(tmp_path):
    path = save(
        tmp_path / "a.xyz",
        "1\nProperties=forces:R:3:pos:R:3:formal_charge:I:1:species:S:1\n9 9 9 1 2 3 -1 Cl\n",
    )
    found = molecule(path)
    assert (found.numbers.tolist(), found.positions.tolist(), found.charges.tolist()) == (
        [17],
        [[1, 2, 3]],
        [-1],
    )
    (atoms,) = atoms_of(path)
    assert atoms is not None
    assert atoms.charged


def test_crystals_are_remarked_on(tmp_path):
    path = save(tmp_path / "a.xyz", xyz(water(), f'Lattice="5 0 0 0 5 0 0 0 5" {EXTENDED}'))
    with remarks() as said:
        molecule(path)
    assert "its cell is left aside" in said[0]


def test_qm9(tmp_path):
    path = save(tmp_path / "dsgdb9nsd_000001.xyz", QM9)
    (found,) = columns_of(path)
    assert list(found) == [
        "A",
        "B",
        "C",
        "mu",
        "alpha",
        "homo",
        "lumo",
        "gap",
        "r2",
        "zpve",
        "U0",
        "U",
        "H",
        "G",
        "Cv",
    ]
    assert (found["A"], found["mu"], found["gap"], found["U0"], found["Cv"]) == (
        157.7118,
        0.0,
        0.5048,
        -40.47893,
        6.469,
    )
    one = molecule(path)
    assert one.numbers.tolist() == [6, 1, 1, 1, 1]
    assert one.positions[1].tolist() == [0.002150416, -6.0313176e-3, 0.0019761204]
    (atoms,) = atoms_of(path)
    assert atoms is not None
    assert list(atoms.numbers) == [6, 1, 1, 1, 1]


def test_qm9_in_one_file(tmp_path):
    path = save(tmp_path / "a.xyz", QM9 + QM9.replace("157.7118", "1*^2"))
    assert [found["A"] for found in columns_of(path)] == [157.7118, 100.0]
    same(molecule(path, 1), molecule(path, 0))


BAD = {
    "a number that is too large": "9" * 5000 + "\n\nH 0 0 0\n",
    "says it has 4 atoms, and 3 lines follow": xyz(water()).replace("3\n", "4\n", 1),
    "says it has 2 atoms, and 3 lines follow": xyz(water()).replace("3\n", "2\n", 1),
    "does not begin with the number of its atoms, but with 'O 0 0 0'": "O 0 0 0\n",
    "does not begin with the number of its atoms, but with '²'": "²\n\n",
    "has no atoms": "0\n\n",
    "atom 2, is of no known element: 'Q'": xyz(water()).replace("H ", "Q ", 1),
    "atom 1, is not a symbol and three numbers but 'O 0.000000 zero": xyz(water()).replace(
        "O 0.000000 0.000000", "O 0.000000 zero", 1
    ),
    "atom 3, is not a symbol and three numbers": xyz(water()).replace(
        "-0.763000 -0.477000", "-0.763000"
    ),
    "atom 2, is not a symbol and three numbers but 'H 0 0 1 inf'": (
        "2\nProperties=species:S:1:pos:R:3:formal_charge:I:1\nO 0 0 0 0\nH 0 0 1 inf\n"
    ),
    "atom 1: its position is not a number": xyz(water()).replace("0.119000", "nan"),
    "atom 1: its position is not a number (NaN or": xyz(water()).replace("0.119000", "inf"),
    "two atoms at one place: 1 and 2 are 0.0005": "2\n\nC 0 0 0\nC 0 0 0.0005\n",
    "has Properties without species and pos": xyz(water(), "Properties=species:S:1"),
}


def test_a_note_in_another_encoding_costs_no_molecule(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(xyz(water(), "25 \udcb0C").encode(errors="surrogateescape"))
    with remarks() as said:
        same(molecule(path, 0), water())
    assert any("0xb0" in text for text in said)


@pytest.mark.parametrize("words", BAD)
def test_bad_ones_are_named_and_the_others_used(tmp_path, words):
    path = tmp_path / "a.xyz"
    path.write_bytes((xyz(water()) + BAD[words] + xyz(methane())).encode(errors="surrogateescape"))
    if words.startswith("does not begin"):
        path.write_bytes((BAD[words] + xyz(water()) + xyz(methane())).encode())
        assert words in refusal(path, 0)
        same(molecule(path, 1), water())
    else:
        assert words in (text := refusal(path, 1))
        assert "molecule 2" in text
        same(molecule(path, 0), water())
    assert len(columns_of(path)) == len(atoms_of(path)) == 3
    same(molecule(path, 2), methane())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\n \n", "holds no molecule"),
        (b"\x89PNG\0\0\0", "is not text, whatever its name says"),
        (xyz(water()).encode("utf-16"), "is UTF-16 text. Save it as UTF-8"),
    ],
)
def test_bad_files_count_as_one_molecule(tmp_path, data, words):
    path = tmp_path / "a.xyz"
    path.write_bytes(data)
    assert columns_of(path) == [{}]
    assert atoms_of(path) == [None]
    assert words in refusal(path)


def test_a_file_that_is_gone(tmp_path):
    assert columns_of(tmp_path / "a.xyz") == [{}]
    assert "does not exist" in refusal(tmp_path / "a.xyz")


def test_a_file_that_changed_is_read_anew(tmp_path):
    path = save(tmp_path / "a.xyz", xyz(water()))
    assert len(columns_of(path)) == 1
    save(path, xyz(methane()) + xyz(water()))
    assert len(columns_of(path)) == 2
    same(molecule(path, 1), water())


def test_many_threads_and_many_files(tmp_path):
    """More files than are held in memory, each read by all threads at once."""
    paths = [
        save(tmp_path / f"{k}.xyz", "".join(xyz(water(k + x / 10)) for x in range(10)))
        for k in range(12)
    ]
    places = [(k, x) for x in range(10) for k in range(12)]
    found = parallel(lambda place: molecule(paths[place[0]], place[1]).positions[0, 0], places)
    assert found == pytest.approx([k + x / 10 for k, x in places], abs=1e-6)
