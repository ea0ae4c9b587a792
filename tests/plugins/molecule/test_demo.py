"""The demo set: real molecules, each once, and the property they are labelled with is what is seen."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from difftool_molecule.demo import FILE, anisotropy, molecules, write_demo
from difftool_molecule.files import columns_of, molecule

from .geometries import BENZENE, METHANE, turned


@pytest.fixture(scope="module")
def demo() -> list[tuple[np.ndarray, np.ndarray]]:
    return list(molecules())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    return folder / "molecules.xyz"


def test_it_is_one_file_the_same_every_time(written, tmp_path):
    write_demo(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["molecules.xyz"]
    assert (tmp_path / "new" / "molecules.xyz").read_bytes() == written.read_bytes()


def test_what_is_written_is_read_back(written, demo):
    columns = columns_of(written)
    assert len(columns) == len(demo) == 3600
    assert all(row.keys() == {"anisotropy"} for row in columns)
    for i in (0, 1, 1799, 3599):
        found, (numbers, positions) = molecule(written, i), demo[i]
        assert np.array_equal(found.numbers, numbers)
        assert np.allclose(found.positions, positions, atol=1e-9)
        assert columns[i]["anisotropy"] == pytest.approx(anisotropy(found.positions), abs=1e-4)


def test_it_ships_in_little_room():
    assert FILE.stat().st_size < 400_000


def test_molecules_are_small_and_organic(demo):
    counts = Counter(z for numbers, _ in demo for z in numbers.tolist())
    assert set(counts) == {1, 6, 7, 8, 9}
    assert min(counts.values()) > 500
    heavy = Counter(int((numbers > 1).sum()) for numbers, _ in demo)
    assert (min(heavy), max(heavy)) == (3, 9)
    assert max(len(numbers) for numbers, _ in demo) <= 29


def test_atoms_keep_their_distance_and_centre(demo):
    for _, positions in demo:
        assert np.abs(positions.mean(0)).max() < 1e-3
        apart = np.linalg.norm(positions[:, None] - positions, axis=-1) + 9 * np.eye(len(positions))
        assert 0.9 < apart.min() < 1.12  # the shortest bond is one of hydrogen


def test_every_one_is_a_molecule_and_none_is_there_twice(demo):
    pytest.importorskip("rdkit")
    from difftool_molecule.validity import names

    raw = [
        np.column_stack((positions, numbers, np.zeros(len(numbers)))).astype(np.float32)
        for numbers, positions in demo
    ]
    found = names(raw)
    assert len(found) > 0.995 * len(demo)
    assert len(set(found)) > 0.98 * len(found)


def test_the_property_ranges_from_ball_to_rod_and_says_nothing_of_the_size(demo):
    found = np.array([anisotropy(positions) for _, positions in demo])
    assert np.quantile(found, 0.05) < 0.08
    assert np.quantile(found, 0.95) > 0.45
    assert abs(np.corrcoef(found, [len(numbers) for numbers, _ in demo])[0, 1]) < 0.3


def test_anisotropy_of_what_is_known():
    assert anisotropy(np.array([[0.0, 0, 0], [1, 0, 0], [5, 0, 0]])) == pytest.approx(1)
    assert anisotropy(METHANE[:, :3].astype(float)) == pytest.approx(0, abs=1e-6)
    assert anisotropy(BENZENE[:, :3].astype(float)) == pytest.approx(0.25, abs=1e-6)
    assert anisotropy(np.zeros((1, 3))) == 0
    example = METHANE[:3, :3].astype(float)
    same = turned(METHANE)[:3, :3].astype(float)
    assert 0 < anisotropy(example) == pytest.approx(anisotropy(3 * same), abs=1e-5)
