"""What ``auto`` makes of many molecules."""

from __future__ import annotations

from typing import Any

import pytest

from difftool import DataError
from difftool_molecule.measure import auto_max_atoms, settle
from difftool_molecule.options import MoleculeOptions

from .conftest import carbons, methane, modality, salt, save, sdf, water, xyz


def settled(folder, **options: Any) -> dict[str, Any]:
    one = modality(**options)
    return settle(MoleculeOptions(**options), one.scan(folder))


def test_elements_sizes_and_charges(folder):
    assert settled(folder) == {"elements": ("H", "C", "O"), "max_atoms": 5, "charges": "drop"}
    save(folder / "salt.sdf", sdf(salt()))
    assert settled(folder) == {"elements": ("H", "Li", "C", "O"), "max_atoms": 5, "charges": "keep"}


def test_without_hydrogens(folder):
    assert settled(folder, hydrogens="drop") == {
        "elements": ("C", "O"),
        "max_atoms": 1,
        "charges": "drop",
    }


def test_what_is_set_is_left_alone(folder):
    assert settled(folder, elements="H,O", max_atoms=7) == {"charges": "drop"}
    assert settled(folder, elements="H,O,C", max_atoms=7, charges="keep") == {}


def test_charges_of_what_is_left_out_do_not_count(folder):
    save(folder / "salt.sdf", sdf(salt()))
    assert settled(folder, elements="H,O,C")["charges"] == "drop"
    assert settled(folder, elements="H,O,C,Li")["charges"] == "keep"


def test_bad_ones_are_passed_over(folder):
    save(folder / "bad.xyz", "nothing\n" + xyz(water()).replace("O ", "Q "))
    save(folder / "cut.sdf", sdf(methane())[:-60])
    (folder / "empty.npz").touch()
    assert settled(folder) == {"elements": ("H", "C", "O"), "max_atoms": 5, "charges": "drop"}


def test_only_the_parts_that_are_asked_for(folder):
    items = modality().scan(folder)
    waters = [item for item in items if item.path.name == "water.xyz"]
    assert settle(MoleculeOptions(), waters) == {
        "elements": ("H", "O"),
        "max_atoms": 3,
        "charges": "drop",
    }


def test_an_outlier_has_no_say(folder):
    chain = carbons(500)
    chain.numbers[-1] = 92
    save(folder / "polymer.sdf", sdf(chain))
    assert settled(folder) == {"elements": ("H", "C", "O"), "max_atoms": 5, "charges": "drop"}
    assert settled(folder, max_atoms=600)["elements"] == ("H", "C", "O", "U")


def test_none_that_can_be_used(tmp_path):
    (tmp_path / "a.xyz").touch()
    with pytest.raises(DataError, match=r"a.xyz is empty"):
        settled(tmp_path)
    save(tmp_path / "a.xyz", xyz(water()))
    with pytest.raises(DataError, match="None of the 1 molecules can be used"):
        settled(
            save(tmp_path / "b" / "h.xyz", "2\n\nH 0 0 0\nH 0 0 0.74\n").parent, hydrogens="drop"
        )


@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ([20] * 9 + [500], 20),
        ([20] * 1000 + [500] * 4, 20),  # fewer than one of 200
        ([20] * 1000 + [500] * 10, 500),  # more: they are what the data is like
        ([20] * 100 + [40] + [41], 41),
        ([5, 49], 49),  # small ones cost nothing
        ([30] * 10 + [61], 30),
        ([30] * 10 + [60], 60),
        ([7], 7),
        ([500], 500),
        ([5000] * 9 + [900], 900),
        ([5000], 4096),
    ],
)
def test_the_largest_that_is_no_outlier(sizes, most):
    assert auto_max_atoms(sizes) == most
