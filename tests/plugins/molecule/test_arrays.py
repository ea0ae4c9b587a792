"""NumPy archives of molecules."""

from __future__ import annotations

import sys
import zipfile

import numpy as np
import pytest

from difftool import DataError
from difftool_molecule.arrays import table
from difftool_molecule.files import atoms_of, columns_of, molecule

from .conftest import made, methane, refusal, salt, same, water

MOLECULES = (water(), methane(), salt())


def padded(width: int = 6) -> dict[str, np.ndarray]:
    positions, numbers = np.zeros((3, width, 3), np.float32), np.zeros((3, width), np.uint8)
    for i, one in enumerate(MOLECULES):
        positions[i, : len(one.numbers)], numbers[i, : len(one.numbers)] = (
            one.positions,
            one.numbers,
        )
    return {"positions": positions, "numbers": numbers}


def flat() -> dict[str, np.ndarray]:
    return {
        "positions": np.concatenate([one.positions for one in MOLECULES]),
        "numbers": np.concatenate([one.numbers for one in MOLECULES]),
    }


def uncharged(part: int):
    return MOLECULES[part]._replace(charges=np.zeros_like(MOLECULES[part].charges))


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


LAYOUTS = {
    "padded": padded(),
    "offsets": flat() | {"offsets": np.array([0, 3, 8, 11])},
    "sizes": flat() | {"sizes": np.array([3, 5, 3], np.int32)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    path = save(tmp_path / "a.npz", **LAYOUTS[layout])
    for part in range(3):
        same(molecule(path, part), uncharged(part), 1e-6)
        assert molecule(path, part).bonds is None
    assert [list(one.numbers) for one in atoms_of(path) if one] == [
        one.numbers.tolist() for one in MOLECULES
    ]
    assert columns_of(path) == [{}, {}, {}]


@pytest.mark.parametrize(
    "names",
    [("R", "z"), ("pos", "charges"), ("coords", "nuclear_charges"), ("coordinates", "species")],
)
def test_other_names(tmp_path, names):
    path = save(tmp_path / "a.npz", **dict(zip(names, padded().values(), strict=True)))
    same(molecule(path, 1), methane(), 1e-6)


def test_symbols_in_place_of_numbers(tmp_path):
    symbols = np.array(
        [["O", "H", "H", "", ""], ["C", "H", "h", "H", "H"], ["O", "H", "LI", "", ""]]
    )
    path = save(tmp_path / "a.npz", positions=padded(5)["positions"], elements=symbols)
    for part in range(3):
        same(molecule(path, part), uncharged(part), 1e-6)


def test_one_list_of_atoms_for_all(tmp_path):
    moved = np.stack([water(x).positions for x in range(4)])
    path = save(tmp_path / "a.npz", R=moved, z=np.array([8, 1, 1]), E=np.arange(4.0)[:, None])
    same(molecule(path, 3), water(3.0))
    assert columns_of(path) == [{"E": float(x)} for x in range(4)]


def test_formal_charges(tmp_path):
    charges = np.zeros((3, 6), np.int8)
    charges[2, :3] = salt().charges
    for name in ("charges", "formal_charges"):
        path = save(tmp_path / f"{name}.npz", **padded(), **{name: charges})
        same(molecule(path, 2), salt(), 1e-6)
        assert [one.charged for one in atoms_of(path) if one] == [False, False, True]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint64])
def test_whole_numbers_of_any_type(tmp_path, kind):
    arrays = padded()
    path = save(tmp_path / "a.npz", **{**arrays, "numbers": arrays["numbers"].astype(kind)})
    for part in range(3):
        same(molecule(path, part), uncharged(part), 1e-6)


def test_formal_charges_may_be_floats_and_partial_ones_are_none(tmp_path):
    charges = np.zeros((3, 6))
    charges[2, :3] = salt().charges
    same(molecule(save(tmp_path / "formal.npz", **padded(), charges=charges), 2), salt(), 1e-6)
    same(
        molecule(save(tmp_path / "partial.npz", **padded(), charges=charges / 2), 2),
        uncharged(2),
        1e-6,
    )


def test_partial_charges_are_no_atomic_numbers(tmp_path):
    path = save(tmp_path / "a.npz", positions=padded()["positions"], charges=np.full((3, 6), 0.4))
    assert atoms_of(path) == [None] * 3
    assert "there is no element" in refusal(path)


def test_properties(tmp_path):
    path = save(
        tmp_path / "a.npz",
        **padded(),
        energy=np.array([1.5, np.nan, -2]),
        smiles=np.array(["O", "C", ""]),
        id=np.array([b"x", b"y", b"z"]),
        stable=np.array([True, False, True]),
        forces=padded()["positions"],
        difftool=np.array(["a", "b", "c"]),
    )
    assert columns_of(path) == [
        {"energy": 1.5, "smiles": "O", "id": "x", "stable": 1.0},
        {"smiles": "C", "id": "y", "stable": 0.0},
        {"energy": -2.0, "id": "z", "stable": 1.0},
    ]


def test_bad_ones_are_named_and_the_others_used(tmp_path):
    arrays = padded()
    arrays["positions"][0, 1, 2] = np.nan
    arrays["numbers"][1, 0] = 200
    path = save(tmp_path / "a.npz", **arrays)
    assert "(molecule 1), atom 2: its position is not a number" in refusal(path, 0)
    assert "(molecule 2), atom 1: there is no element 200" in refusal(path, 1)
    assert atoms_of(path)[1] is None
    same(molecule(path, 2), uncharged(2), 1e-6)


def test_no_atoms(tmp_path):
    arrays = padded()
    arrays["numbers"][1] = 0
    path = save(tmp_path / "a.npz", **arrays)
    assert "has no atoms" in refusal(path, 1)
    assert atoms_of(path)[1] is None


class Bomb:
    """Runs something when it is unpickled."""

    def __reduce__(self):
        return sys.exit, (66,)


def test_objects_are_refused_without_opening_them(tmp_path):
    path = save(
        tmp_path / "a.npz", positions=np.array([Bomb(), Bomb()], object), numbers=np.zeros((2, 1))
    )
    assert columns_of(path) == [{}]
    assert "arrays of Python objects, which are not read" in refusal(path)


BAD = {
    "has no array positions": {"numbers": padded()["numbers"]},
    "has no array numbers": {"positions": padded()["positions"]},
    "arrays that do not fit: positions [3, 6, 3], numbers [3, 5]": padded()
    | {"numbers": padded(5)["numbers"]},
    "arrays that do not fit: positions [3, 6, 2]": padded()
    | {"positions": padded()["positions"][..., :2]},
    "no array offsets or sizes": flat(),
    "divides 11 atoms at places that do not fit": flat() | {"sizes": np.array([3, 5, 4])},
    "arrays that do not fit: positions [11, 3], numbers [11], sizes [3]": flat()
    | {"sizes": np.array(["3", "5", "3"])},
    "at places that do not fit": flat() | {"offsets": np.array([0, 8, 3, 11])},
    "arrays that do not fit: positions [0, 6, 3]": {
        name: array[:0] for name, array in padded().items()
    },
}


@pytest.mark.parametrize("words", BAD)
def test_arrays_that_do_not_fit(tmp_path, words):
    path = save(tmp_path / "a.npz", **BAD[words])
    assert columns_of(path) == [{}]
    assert words in refusal(path)


@pytest.mark.parametrize("data", [b"PK\x03\x04 and nothing", b"rubbish", b"\x93NUMPY\x01\x00"])
def test_no_archive(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    assert columns_of(tmp_path / "a.npz") == [{}]
    assert "no archive of NumPy arrays" in refusal(tmp_path / "a.npz")


def test_a_single_array_and_a_cut_archive(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert "no archive of NumPy arrays" in refusal(tmp_path / "a.npz")
    data = save(tmp_path / "b.npz", **padded()).read_bytes()
    (tmp_path / "b.npz").write_bytes(data[: len(data) // 2])
    assert "no archive of NumPy arrays" in refusal(tmp_path / "b.npz")


def test_atoms_at_one_place(tmp_path):
    twice = made("C C", [[0, 0, 0], [0, 0, 0.0005]])
    path = save(tmp_path / "a.npz", positions=twice.positions[None], numbers=twice.numbers[None])
    assert "has two atoms at one place: 1 and 2" in refusal(path)


def test_an_array_that_states_more_than_it_holds_is_refused_before_memory_is_taken(tmp_path):
    """NumPy allocates what the header of an array states, whatever follows it."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("positions.npy", "w") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 30, 1, 3)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(DataError, match=r"a\.npz unpacks to 25\.8 GB"):
        table(path)


def test_what_unpacks_to_more_than_memory_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("difftool_molecule.arrays.MOST_BYTES", 100)
    np.savez_compressed(
        tmp_path / "a.npz", positions=np.zeros((4, 3, 3)), numbers=np.ones((4, 3), int)
    )
    with pytest.raises(DataError, match=r"a\.npz unpacks to .* Split it"):
        table(tmp_path / "a.npz")
