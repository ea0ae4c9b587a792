"""The modality: what is taken of a molecule, and what samples are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from difftool import DataError, Description, Item, Stream, Streams, UsageError
from difftool_molecule.files import molecule
from difftool_molecule.options import MoleculeOptions, MoleculeRequest

from .conftest import carbons, made, methane, modality, salt, save, sdf, water, xyz

KNOWN = {"elements": [1, 6, 8], "sizes": [[3, 30], [5, 10], [9, 60]], "charged": False}


def settled(**options):
    return modality(**{"elements": "H,C,O,Li", "max_atoms": 20, "charges": "keep", **options})


def description() -> Description:
    return Description((None, 5), "float32", 100, extra=KNOWN)


def templates(n: int = 4, seed: int = 0, **request):
    return modality().template(
        description(), n, Streams(seed, "template", range(n)), MoleculeRequest(**request)
    )


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["O,H,C", "c, o ,h", "H,C,O,H,C", ["C", "O", "H"]])
def test_the_same_elements_are_the_same_setting(text):
    assert MoleculeOptions(elements=text).elements == ("H", "C", "O")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no element is named"),
        (" ,", "no element is named"),
        ("H,Xx", "'Xx' is not an element"),
    ],
)
def test_elements_that_are_none(text, words):
    with pytest.raises(ValueError, match=words):
        MoleculeOptions(elements=text)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_molecule_is_about_its_centre(folder):
    raw = settled().read(Item(folder / "water.xyz", part=4))
    assert (raw.dtype, raw.shape) == (np.float32, (3, 5))
    np.testing.assert_allclose(raw[:, :3].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(
        raw[:, :3] - raw[0, :3], water().positions - water().positions[0], atol=1e-5
    )


def test_hydrogens_are_kept_or_dropped(folder):
    item = Item(folder / "methane.sdf")
    assert settled().read(item)[:, 3].tolist() == [6, 1, 1, 1, 1]
    assert settled(hydrogens="drop").read(item).tolist() == [[0, 0, 0, 6, 0]]
    only = Item(save(folder / "h2.xyz", xyz(made("H H", [[0, 0, 0], [0, 0, 0.74]]))))
    with pytest.raises(DataError, match="no atoms but hydrogen"):
        settled(hydrogens="drop").read(only)


def test_formal_charges_are_kept_or_dropped(tmp_path):
    item = Item(save(tmp_path / "salt.sdf", sdf(salt())))
    assert settled(fragments="keep").read(item)[:, 4].tolist() == [-1, 0, 1]
    assert settled(fragments="keep", charges="drop").read(item)[:, 4].tolist() == [0, 0, 0]


def test_of_unconnected_parts_the_largest_is_taken_all_or_none(tmp_path):
    item = Item(save(tmp_path / "salt.sdf", sdf(salt())))
    assert settled().read(item)[:, 3].tolist() == [8, 1]
    assert settled(fragments="keep").read(item)[:, 3].tolist() == [8, 1, 3]
    with pytest.raises(DataError, match="2 unconnected parts, of 2, 1 atoms"):
        settled(fragments="skip").read(item)


def test_what_is_beyond_the_settings_is_named(tmp_path):
    large = Item(save(tmp_path / "chain.sdf", sdf(carbons(21))))
    with pytest.raises(DataError, match="has 21 atoms, more than max_atoms = 20"):
        settled().read(large)
    with pytest.raises(
        DataError, match=r"holds O, and elements is H,C\. Add them: --elements H,C,O"
    ):
        settled(elements="H,C").read(Item(save(tmp_path / "water.xyz", xyz(water()))))


@pytest.mark.parametrize("fragments", ["largest", "keep", "skip"])
def test_a_sample_is_measured_whole(tmp_path, fragments):
    """What a sample is made of is judged by metrics: a part of it would be a better molecule than it is."""
    strict = settled(fragments=fragments, elements="H,O", max_atoms=2)
    item = Item(save(tmp_path / "salt.sdf", sdf(salt())))
    assert strict.read_sample(item)[:, 3].tolist() == [8, 1, 3]
    assert settled(hydrogens="drop").read_sample(item)[:, 3].tolist() == [8, 3]


def test_batches_are_padded_with_zeros():
    batch = modality().collate([water().raw(), methane().raw()], Stream(0, "collate"))
    assert batch.x.shape == (2, 5, 5)
    assert batch.mask is not None
    assert batch.mask[..., 0].sum(1).tolist() == [3, 5]
    assert not batch.x[0, 3:].any()


# --- what samples are asked for --------------------------------------------------------------------------------------


def sizes(batch) -> list[int]:
    return batch.mask[..., 0].sum(1).tolist()


def test_sizes_are_distributed_as_in_the_data():
    drawn = sizes(templates(4000))
    shares = [drawn.count(size) / 4000 for size in (3, 5, 9)]
    np.testing.assert_allclose(shares, [0.3, 0.1, 0.6], atol=0.03)
    assert sizes(templates(10)) == drawn[:10]


def test_sizes_may_be_asked_for():
    assert sizes(templates(atoms=18)) == [18] * 4
    assert sizes(templates(1, atoms=1)) == [1]


def test_a_fragment_comes_first_and_leaves_room(tmp_path):
    path = save(tmp_path / "methane.sdf", sdf(methane()))
    batch = templates(200, fragment=str(path))
    assert set(sizes(batch)) == {9}  # of those in the data, what is larger than it
    np.testing.assert_allclose(batch.x[:, :5], np.tile(methane().raw(), (200, 1, 1)), atol=1e-4)
    assert not batch.x[:, 5:].any()
    assert batch.observed.expand(200, 9, 1)[..., 0].sum(1).unique().tolist() == [5]
    assert sizes(templates(fragment=str(path), atoms=6)) == [6] * 4


def test_a_fragment_has_no_hydrogens_where_the_model_knows_none(tmp_path):
    bare, wish = (
        modality(hydrogens="drop"),
        MoleculeRequest(fragment=str(save(tmp_path / "methane.sdf", sdf(methane()))), format="xyz"),
    )
    known = Description((None, 5), "float32", 9, extra=KNOWN | {"elements": [6, 8]})
    batch = bare.template(known, 1, Streams(0, "template", [0]), wish)
    assert batch.observed.sum() == 1
    example = np.array([[0.7, 0, 0, 6, 0], [-0.7, 0, 0, 8, 0]], np.float32)
    path = bare.write(example, tmp_path / "sample", {}, wish)
    np.testing.assert_allclose(molecule(path).positions, [[0, 0, 0], [-1.4, 0, 0]], atol=1e-6)


def test_fragments_that_cannot_be_kept(tmp_path):
    lithium = save(tmp_path / "salt.sdf", sdf(salt()))
    with pytest.raises(
        UsageError, match="holds Li, which the model has never seen: it knows H, C, O"
    ):
        templates(fragment=str(lithium))
    with pytest.raises(UsageError, match="--atoms 5 leaves no atom to generate"):
        templates(fragment=str(save(tmp_path / "methane.sdf", sdf(methane()))), atoms=5)
    with pytest.raises(
        UsageError, match="has 9 atoms, and the model has seen no molecule of more than 9"
    ):
        templates(fragment=str(save(tmp_path / "chain.sdf", sdf(carbons(9)))))


def test_fragments_that_cannot_be_read(tmp_path):
    for path in (save(tmp_path / "notes.txt", "C"), tmp_path):
        with pytest.raises(DataError, match="is not a file of molecules, judging by its suffix"):
            templates(fragment=str(path))
    with pytest.raises(UsageError, match=r"holds 2 molecules\. Give a file of one"):
        templates(fragment=str(save(tmp_path / "two.xyz", xyz(water()) * 2)))
    with pytest.raises(DataError, match="does not exist"):
        templates(fragment=str(tmp_path / "none.sdf"))
    with pytest.raises(DataError, match="no known element: 'Q'"):
        templates(fragment=str(save(tmp_path / "bad.xyz", xyz(water()).replace("O ", "Q "))))


@pytest.mark.parametrize("format", ["sdf", "xyz"])
def test_a_sample_is_written_where_its_fragment_lies(tmp_path, format):
    given = methane()._replace(positions=methane().positions + 7)
    wish = MoleculeRequest(fragment=str(save(tmp_path / "methane.sdf", sdf(given))), format=format)
    example = np.concatenate([given.raw(), [[8.2, 7, 7, 8, 0]]]).astype(np.float32)
    example[:, :3] -= example[:, :3].mean(0)
    before = example.copy()
    path = modality().write(example, tmp_path / "sample", {}, wish)
    np.testing.assert_array_equal(example, before)
    positions = molecule(path).positions
    np.testing.assert_allclose(positions[:5], given.positions, atol=1e-4)
    np.testing.assert_allclose(positions[5], [8.2, 7, 7], atol=1e-4)
