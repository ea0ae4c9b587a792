"""The metrics: known molecules get what is known of them, real ones what was published of such, and noise does not."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from difftool import Description, Metric, NoOptions, UsageError
from difftool.testing import metric_contract
from difftool_molecule.demo import molecules
from difftool_molecule.distances import Distances, gyration, lengths, total_variation, wasserstein
from difftool_molecule.geometry import Geometry
from difftool_molecule.stability import Stability
from difftool_molecule.validity import Validity

from .geometries import (
    ACETYLENE,
    ALL,
    BENZENE,
    CARBON_DIOXIDE,
    ETHENE,
    FORMALDEHYDE,
    METHANE,
    SMILES,
    WATER,
    mirrored,
    raw,
    tetrahedron,
    together,
    turned,
)

DESCRIPTION = Description(
    (None, 5), "float32", 100, extra={"elements": [1, 6, 7, 8, 9], "charged": False}
)
CHIRAL = tetrahedron("C", 1.4, "H", "F", "Cl", "Br") * np.float32([1, 1, 1, 1, 1])
"""Its bonds are of one length, which is not so in the world; what matters here is its hand."""


SAMPLES, DATA = (
    [METHANE, turned(METHANE), WATER, FORMALDEHYDE, METHANE[:4], BENZENE],
    [WATER, ETHENE, ACETYLENE, METHANE],
)

TestStability = metric_contract("stability", SAMPLES, DATA)
TestValidity = metric_contract("validity", SAMPLES, DATA)
TestDistances = metric_contract("distances", SAMPLES, DATA)


def made(kind: type[Metric]) -> Metric:
    return kind(NoOptions(), DESCRIPTION)


@pytest.fixture(scope="module")
def demo() -> list[np.ndarray]:
    """A part of the demo set, as raw examples."""
    some = list(molecules())[::6]
    return [
        np.column_stack((positions, numbers, np.zeros(len(numbers)))).astype(np.float32)
        for numbers, positions in some
    ]


def shaken(examples: list[np.ndarray], std: float) -> list[np.ndarray]:
    """Every atom moved by chance, so far along each axis."""
    rng = np.random.default_rng(0)
    return [
        example
        + np.pad(rng.normal(size=(len(example), 3)) * std, ((0, 0), (0, 2))).astype(np.float32)
        for example in examples
    ]


# --- stability -------------------------------------------------------------------------------------------------------


def test_stability_counts_atoms_and_whole_molecules():
    found = made(Stability).measure([METHANE, WATER, METHANE[:4], ETHENE[:5]], [])
    atoms = 5 + 3 + 3 + 4  # of a CH3 the carbon is not, of a C2H3 one of two
    assert found == {
        "atom_stability": pytest.approx(atoms / (5 + 3 + 4 + 5)),
        "molecule_stability": 0.5,
    }


def test_stability_needs_no_data_and_heeds_none():
    examples = list(ALL.values())
    assert made(Stability).measure(examples, []) == made(Stability).measure(examples, [BENZENE]) == {
        "atom_stability": 1.0,
        "molecule_stability": 1.0,
    }  # fmt: skip


def test_real_molecules_are_as_stable_as_published_and_moved_atoms_are_not(demo):
    """Hoogeboom et al. 2022, table 1: of QM9, 99.0 % of the atoms and 95.2 % of the molecules."""
    real, near, far = (
        made(Stability).measure(some, []) for some in (demo, shaken(demo, 0.05), shaken(demo, 1.0))
    )
    assert real["atom_stability"] > 0.985
    assert real["molecule_stability"] > 0.94
    assert 0.7 < near["atom_stability"] < 0.9
    assert near["molecule_stability"] < 0.2
    assert far["atom_stability"] < 0.4
    assert far["molecule_stability"] == 0


# --- validity --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rdkit():
    return pytest.importorskip("rdkit")


@pytest.mark.usefixtures("rdkit")
def test_known_molecules_are_valid_and_named_right():
    from difftool_molecule.validity import names

    assert names(turned(example) for example in ALL.values()) == list(SMILES.values())
    assert names([BENZENE]) == ["c1ccccc1"]


@pytest.mark.usefixtures("rdkit")
def test_valid_unique_and_novel_are_shares_of_what_is_left():
    samples = [
        METHANE,
        turned(METHANE),
        WATER,
        FORMALDEHYDE,
        ACETYLENE,
        METHANE[:4],
        together(WATER, WATER),
        ETHENE,
    ]
    found = made(Validity).measure(samples, [WATER, CARBON_DIOXIDE, ETHENE])
    assert found == {
        "validity": pytest.approx(6 / 8),  # no radical, and nothing in two parts
        "graph_validity": 1.0,  # which is blind to both
        "uniqueness": pytest.approx(5 / 6),
        "novelty": pytest.approx(3 / 5),
        "valid_unique_novel": pytest.approx(3 / 8),
    }


@pytest.mark.usefixtures("rdkit")
def test_without_data_what_needs_it_is_left_out():
    assert made(Validity).measure([METHANE, METHANE], []) == {
        "validity": 1.0,
        "graph_validity": 1.0,
        "uniqueness": 0.5,
    }


@pytest.mark.usefixtures("rdkit")
def test_where_nothing_is_valid_nothing_is_reported_of_its_kind():
    found = made(Validity).measure(
        [METHANE[:1], tetrahedron("O", 1.0, "H", "H", "H", "H")], [METHANE]
    )
    assert found.pop("graph_validity") == 0.5
    assert np.isnan([found.pop("uniqueness"), found.pop("novelty")]).all()
    assert found == {"validity": 0.0, "valid_unique_novel": 0.0}


@pytest.mark.usefixtures("rdkit")
def test_an_ion_is_valid_with_its_charge():
    ammonium = tetrahedron("N", 1.02, "H", "H", "H", "H")
    assert made(Validity).measure([ammonium], [])["validity"] == 0
    ammonium[0, 4] = 1
    assert made(Validity).measure([ammonium], [])["validity"] == 1


@pytest.mark.usefixtures("rdkit")
def test_mirror_images_are_one_molecule():
    chiral = CHIRAL.copy()
    for atom, length in enumerate((1.09, 1.36, 1.76, 1.94), 1):
        chiral[atom, :3] *= length / np.linalg.norm(chiral[atom, :3])
    assert made(Validity).measure([chiral, mirrored(chiral)], [])["uniqueness"] == 0.5


@pytest.mark.usefixtures("rdkit")
def test_atoms_at_no_place_are_not_valid():
    broken = together(METHANE, WATER)
    broken[-1, 0] = np.nan
    assert made(Validity).measure([broken], [METHANE])["validity"] == 0


@pytest.mark.usefixtures("rdkit")
def test_real_molecules_are_valid_and_clouds_are_not(demo):
    found = made(Validity).measure(demo, [])
    assert found["validity"] > 0.99
    assert found["graph_validity"] > 0.95
    assert found["uniqueness"] > 0.99
    assert made(Validity).measure(shaken(demo, 1.0), [])["validity"] < 0.02


def test_without_rdkit_validity_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(UsageError, match=r"Validity needs RDKit.*pip install"):
        made(Validity).measure([METHANE], [])


# --- distances -------------------------------------------------------------------------------------------------------


def test_alike_is_no_distance(demo):
    found = made(Distances).measure(demo, [turned(example, 1) for example in reversed(demo)])
    assert found.keys() == {"atoms_w1", "elements_tv", "bonds_tv", "bond_lengths_w1", "gyration_w1"}
    assert max(found.values()) < 1e-6


def test_without_data_there_is_no_distance():
    assert made(Distances).measure([METHANE], []) == {}


def test_sizes_and_elements():
    found = made(Distances).measure([METHANE, METHANE], [WATER])
    assert found["atoms_w1"] == 2
    assert found["elements_tv"] == pytest.approx(
        1 / 3
    )  # methane is a fifth carbon, water a third oxygen
    assert found["bonds_tv"] == 1
    assert np.isnan(found["bond_lengths_w1"])  # no pair of elements that both bond


def test_longer_bonds_are_as_much_farther_as_they_are_longer():
    longer = METHANE * np.float32([1.05, 1.05, 1.05, 1, 1])
    found = made(Distances).measure([longer], [METHANE])
    assert found["bond_lengths_w1"] == pytest.approx(0.05 * 1.087, rel=1e-4)
    assert found["gyration_w1"] == pytest.approx(0.05 * gyration(METHANE), rel=1e-4)
    assert found["bonds_tv"] == found["elements_tv"] == found["atoms_w1"] == 0


def test_pairs_of_elements_weigh_as_the_data_has_them():
    """Four times as many C-H as C-C bonds, of which only the latter differ."""
    wider = ETHENE + np.float32([0.02, 0, 0, 0, 0]) * np.sign(ETHENE[:, :1])
    found = made(Distances).measure([wider], [ETHENE])
    assert found["bond_lengths_w1"] == pytest.approx(0.04 / 5, rel=1e-3)


def test_noise_is_farther_than_the_data_from_itself(demo):
    itself, noisy = (
        made(Distances).measure(some, demo[1::2]) for some in (demo[::2], shaken(demo[::2], 0.1))
    )
    assert noisy["bond_lengths_w1"] > 5 * itself["bond_lengths_w1"]
    assert noisy["bonds_tv"] > itself["bonds_tv"]


def test_radius_of_gyration_of_what_is_known():
    pair = raw(("H", 0, 0, 0), ("H", 3, 0, 0))
    assert gyration(pair) == pytest.approx(1.5)
    assert gyration(turned(BENZENE)) == pytest.approx(
        np.sqrt((1.397**2 + (1.397 + 1.084) ** 2) / 2), rel=1e-5
    )


@pytest.mark.parametrize("strange", [np.nan, np.inf])
@pytest.mark.filterwarnings("error")
def test_atoms_at_no_place_leave_the_extent_open_and_the_rest_as_it_is(strange):
    broken = together(METHANE, WATER)
    broken[-1, 0] = strange
    found = made(Distances).measure([broken], [together(METHANE, WATER)])
    assert np.isnan(found["gyration_w1"])
    assert found["atoms_w1"] == found["elements_tv"] == 0
    assert 0 < found["bonds_tv"] < 0.2
    assert made(Stability).measure([broken], [])["atom_stability"] == pytest.approx(6 / 8)


def test_bond_lengths_are_by_the_pair_the_lighter_first():
    found = lengths([FORMALDEHYDE[[1, 0, 2, 3]], WATER])
    assert {pair: len(some) for pair, some in found.items()} == {(6, 8): 1, (1, 6): 2, (1, 8): 2}
    assert found[6, 8] == pytest.approx([1.205])


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (20, 20), (31, 12), (200, 3)])
def test_wasserstein_is_scipys(n, m):
    rng = np.random.default_rng(n)
    for a, b in (
        (rng.normal(size=n), rng.normal(1, 2, m)),
        (rng.integers(0, 4, n), rng.integers(2, 9, m)),
    ):
        assert wasserstein(a, b) == pytest.approx(wasserstein_distance(a, b), abs=1e-12)
        assert wasserstein(a, b) == pytest.approx(wasserstein(b, a))
        assert wasserstein(a, a) == 0


def test_total_variation_is_half_the_difference_of_shares():
    assert total_variation({"a": 1, "b": 1}, {"a": 30, "c": 10}) == pytest.approx(
        (0.25 + 0.5 + 0.25) / 2
    )
    assert total_variation({"a": 2}, {"b": 5}) == 1
    assert np.isnan(total_variation({}, {"a": 1}))


@pytest.mark.parametrize("kind", [Stability, Validity, Distances])
def test_examples_are_only_read(kind, rdkit):
    examples, data = [METHANE.copy(), WATER.copy()], [BENZENE.copy()]
    for array in (*examples, *data):
        array.setflags(write=False)
    first = made(kind).measure(examples, data)
    assert first == made(kind).measure(examples, data)


def test_whole_molecules_neither_clash_nor_are_they_strained_and_shaken_ones_are(demo):
    rng = np.random.default_rng(0)
    some = demo[:8]
    shaken = [one + np.pad(rng.normal(0, 0.06, (len(one), 3)), ((0, 0), (0, 2))) for one in some]
    calm, strained = (made(Geometry).measure(each, []) for each in (some, shaken))
    assert calm["clashing"] == 0
    assert calm["strain"] < 1
    assert strained["strain"] > calm["strain"] + 1


def test_atoms_that_lie_in_each_other_clash_and_neighbours_do_not(demo):
    one, other = demo[0], demo[1].copy()
    other[:, :3] += one[:, :3].mean(0) - other[:, :3].mean(0) + 0.9
    found = made(Geometry).measure([BENZENE, METHANE, np.concatenate([one, other])], [])
    assert found["clashing"] == pytest.approx(1 / 3)
