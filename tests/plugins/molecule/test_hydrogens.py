"""The bridge hydrogens: heavy atoms are given, the hydrogens on them made; and what the network meets of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from difftool import Batch, Description, Stream, UsageError
from difftool_molecule.contracts import ACROLEIN
from difftool_molecule.demo import molecules
from difftool_molecule.hydrogens import LACKS, Hydrogens
from difftool_molecule.options import HydrogensOptions, PointCloudOptions
from difftool_molecule.pointcloud import PointCloud
from difftool_molecule.valence import lacking

from .geometries import (
    ACETYLENE,
    BENZENE,
    CARBON_DIOXIDE,
    ETHENE,
    METHANE,
    WATER,
    line,
    raw,
    turned,
)

HYDROGEN = line(("H", 0), ("H", 0.741))


def described(**extra) -> Description:
    return Description(
        (None, 5),
        "float32",
        2,
        extra={"elements": [1, 6, 7, 8], "sizes": [[12, 2]], "charged": True, **extra},
    )


@cache
def bridge(augment: float = 0.0) -> Hydrogens:
    return Hydrogens(
        HydrogensOptions(max_aug_level=augment),
        described(),
        PointCloud(PointCloudOptions(), described()),
    )


def batch(*molecules: np.ndarray, shuffled: bool = False) -> Batch:
    """Padded to the largest, as they are collated."""
    rng, n = np.random.default_rng(0), max(len(one) for one in molecules)
    some = [rng.permutation(one) if shuffled else one for one in molecules]
    x = torch.from_numpy(np.stack([np.pad(one, ((0, n - len(one)), (0, 0))) for one in some]))
    return Batch(x, mask=x[..., 3:4] > 0)


def shown(some: Batch, level: float = 0.0, seed: int = 0) -> Batch:
    one = bridge(0.5)
    return one.encode(
        one.degrade(some), some, torch.full((len(some),), level), Stream(seed, "shown")
    )


def given(one: Batch) -> torch.Tensor:
    """``[b, n]``: the atoms whose places are known."""
    return one.observed[..., 0]


def heavy(one: np.ndarray) -> np.ndarray:
    return one[one[:, 3] != 1]


ALL = (METHANE, WATER, BENZENE, CARBON_DIOXIDE, HYDROGEN, ETHENE)


# --- degrade and show ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffled", [False, True])
def test_degrading_leaves_the_heavy_atoms_of_each_first_and_in_their_order(shuffled):
    some = batch(*ALL, shuffled=shuffled)
    low = bridge().degrade(some)
    for before, after, mask in zip(
        some.x.numpy(), low.x.numpy(), low.mask[..., 0].numpy(), strict=True
    ):
        left = before[before[:, 3] > 1]
        left = (
            before[before[:, 3] > 0][:1] if not len(left) else left
        )  # of hydrogen alone, its first atom
        assert mask.tolist() == [True] * len(left) + [False] * (len(mask) - len(left))
        np.testing.assert_array_equal(after[: len(left)], left)
        assert not after[len(left) :].any()


@pytest.mark.parametrize("molecules", [ALL, (CARBON_DIOXIDE,), (HYDROGEN,), (METHANE, METHANE)])
def test_what_is_shown_has_the_stage_s_shape_and_everything_of_the_molecule(molecules):
    some = batch(*molecules, shuffled=True)
    encoded, plain = shown(some), bridge().representation.encode(some)
    assert encoded.x.shape == plain.x.shape
    assert torch.equal(encoded.mask, some.mask)
    for one, other, mask in zip(encoded.x, plain.x, some.mask[..., 0], strict=True):
        own, true = (
            torch.cdist(x[mask, :3], x[mask, :3]).flatten().sort().values for x in (one, other)
        )
        torch.testing.assert_close(
            own, true, atol=1e-4, rtol=1e-4
        )  # the same molecule, its atoms in another order
        assert one[mask, 3:].sum(0).allclose(other[mask, 3:].sum(0))


def test_all_of_the_heavy_atoms_is_known_and_of_hydrogens_that_they_are_such():
    encoded = shown(batch(*ALL))
    assert encoded.noise_free
    assert given(encoded).sum(1).tolist() == [1, 1, 6, 3, 1, 2]
    assert encoded.observed[..., 3:].all(-1).sum(1).tolist() == [len(one) for one in ALL]
    made = encoded.mask[..., 0] & ~given(encoded)
    assert (encoded.x[made][:, 3] == 0.25).all()  # of the one-hot vector, hydrogen


def test_what_training_shows_is_what_sampling_shows():
    """From a template with nothing in it, which is padded otherwise."""
    one = bridge()
    space = one.representation.space
    for example in (ACROLEIN, BENZENE, CARBON_DIOXIDE, HYDROGEN, ACETYLENE):
        trained = shown(batch(example))
        low, template = one.template(
            one.degrade(batch(example)).x[0].numpy(), Batch(torch.zeros(1, 3, 5))
        )
        sampled = one.encode(low, template, torch.zeros(1), Stream(1, "shown"))
        n = len(example)
        assert sampled.mask.sum() == n
        assert torch.equal(sampled.observed[:, :n], trained.observed)
        assert torch.equal(sampled.cond[LACKS][..., :n], trained.cond[LACKS])
        kept = [
            space.keep(torch.zeros_like(b.x), b.x, b.observed, b.mask)[:, :n]
            for b in (trained, sampled)
        ]
        torch.testing.assert_close(*kept, atol=1e-5, rtol=1e-5)


def test_noise_moves_heavy_atoms_by_its_level_and_hydrogens_with_those_that_they_are_on():
    some = batch(*[turned(ETHENE, k) for k in range(200)])
    plain, noisy = shown(some), shown(some, 0.1)
    moved = (noisy.x - plain.x)[..., :3]
    between = moved[:, 0] - moved[:, 1]
    assert between.std().item() == pytest.approx(0.1 * 2**0.5, rel=0.15)
    assert torch.equal(noisy.x[..., 3:], plain.x[..., 3:])
    np.testing.assert_allclose(moved[:, [2, 3]], moved[:, [0, 0]], atol=1e-5)
    np.testing.assert_allclose(moved[:, [4, 5]], moved[:, [1, 1]], atol=1e-5)
    torch.testing.assert_close(bridge().representation.space.project(noisy.x, noisy.mask), noisy.x)
    assert (noisy.cond["heavy_level"] == 0.1).all()


def test_the_level_is_given_only_where_training_draws_some():
    assert [c.name for c in bridge().conditions()] == ["heavy_lacks"]
    assert [c.name for c in bridge(0.5).conditions()] == ["heavy_lacks", "heavy_level"]


# --- what each atom lacks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffled", [False, True])
def test_each_heavy_atom_lacks_the_hydrogens_that_are_nearest_to_it(shuffled):
    """Of a molecule of hydrogens alone the first atom stands for the heavy ones."""
    lacks = bridge().degrade(batch(*ALL, shuffled=shuffled)).cond[LACKS]
    assert [sorted(row[row > 0].tolist()) for row in lacks] == [[4], [2], [1] * 6, [], [1], [2, 2]]
    assert bridge().degrade(batch(ACROLEIN)).cond[LACKS].tolist() == [[2, 1, 1, 0, 0, 0, 0, 0]]


def test_the_example_and_the_valencies_say_the_same_of_what_an_atom_lacks():
    """Of all atoms of the demo set 0.997; the others are tautomers and small strained rings."""
    alike, sums = [], []
    for numbers, positions in list(molecules())[::20]:
        example = np.concatenate((positions, numbers[:, None], 0 * numbers[:, None]), 1).astype(
            np.float32
        )
        low = bridge().degrade(batch(example))
        count = int(low.mask.sum())
        told = low.cond[LACKS][0].numpy()
        assert told.sum() == len(example) - count
        found = lacking(low.x[0, :count].numpy())
        alike += (found == told[:count]).tolist()
        sums.append(found.sum() == told.sum())
    assert np.mean(alike) >= 0.98
    assert np.mean(sums) >= 0.98


def test_what_is_told_adds_up_to_the_atoms_that_are_made_even_of_odd_geometries():
    for seed in range(20):
        positions = np.random.default_rng(seed).normal(size=(9, 3))
        low = np.concatenate(
            (positions, np.tile([[6], [7], [8]], (3, 1)), np.zeros((9, 1))), 1
        ).astype(np.float32)
        given, template = bridge().template(low, Batch(torch.zeros(1, 3, 5)))
        encoded = bridge().encode(given, template, torch.zeros(1), Stream(0, "shown"))
        assert encoded.cond[LACKS].sum() == encoded.mask.sum() - 9
        assert not encoded.cond[LACKS][..., 9:].any()


def test_counts_of_hydrogens_depend_on_no_padding_and_on_no_rotation():
    alone = shown(batch(ETHENE)).cond[LACKS]
    padded = shown(batch(turned(ETHENE, 5), BENZENE)).cond[LACKS]
    assert torch.equal(padded[:1, :, : len(ETHENE)], alone)
    assert not padded[0, :, len(ETHENE) :].any()
    assert alone[0, :, :2].T.tolist() == [[1, 1, 0, 0]] * 2


def test_noise_on_the_heavy_atoms_changes_no_count_of_hydrogens():
    some = batch(*ALL)
    assert torch.equal(shown(some, 0.5).cond[LACKS], shown(some).cond[LACKS])


# --- the other stage, and files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({}, "makes hydrogen atoms, and so does this one"),
        ({"elements": [6, 9, 17]}, "makes F, Cl, which this one has never seen"),
        (
            {"elements": [6, 7, 8], "charged": False},
            "This one learns formal charges and the earlier stage does not",
        ),
    ],
)
def test_a_stage_that_does_not_fit_is_told_why(extra, said):
    with pytest.raises(UsageError, match=said):
        bridge().check_compatible(described(**extra))


def test_a_stage_of_heavy_atoms_fits():
    assert bridge().check_compatible(described(elements=[6, 8], sizes=[[5, 1]])) is None


def test_molecules_without_hydrogens_are_nothing_to_learn_from():
    about = described(elements=[6, 8])
    with pytest.raises(UsageError, match=r"have none\. Keep them"):
        Hydrogens(HydrogensOptions(), about, PointCloud(PointCloudOptions(), about))


@pytest.mark.parametrize(
    ("low", "said"),
    [
        (METHANE, "has some. Give the heavy atoms alone"),
        (HYDROGEN, "has some. Give the heavy atoms alone"),
        (heavy(raw(("Cl", 0, 0, 0))), "holds Cl, which the model has never seen"),
        (np.zeros((0, 5), np.float32), "at least one"),
        (np.zeros((3, 4), np.float32), "not a molecule"),
    ],
)
def test_what_is_no_molecule_of_heavy_atoms_is_refused(low, said):
    with pytest.raises(UsageError, match=said):
        bridge().template(low, Batch(torch.zeros(1, 3, 5)))


def test_a_fragment_is_not_kept_by_this_stage():
    wish = Batch(torch.zeros(1, 3, 5), observed=torch.ones(1, 3, 1, dtype=torch.bool))
    with pytest.raises(UsageError, match="--fragment"):
        bridge().template(heavy(METHANE), wish)
