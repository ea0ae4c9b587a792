"""Hydrogens as a stage of a cascade: trained and sampled by the command line, and what its samples keep."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from small import call

from difftool import Streams
from difftool.assemble import load_stage
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.inpaint import keeping
from difftool.plugin.registry import Registry
from difftool_molecule.files import molecule

from .conftest import methane, save, sdf, water
from .geometries import ACETYLENE, BENZENE, CARBON_DIOXIDE, ETHENE, METHANE, turned

SETS = (
    "backbone.layers=2", "backbone.features=16", "backbone.embedding=16", "optimizer.warmup=0", "train.steps=2", "train.batch=4",
    "train.preview=0", 'train.device="cpu"', 'train.precision="fp32"',
)  # fmt: skip
HEAVY = [
    one[one[:, 3] != 1]
    for one in (METHANE, ETHENE, BENZENE, CARBON_DIOXIDE, ACETYLENE, BENZENE[:5])
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the ready-made cascade, trained for two steps on the molecules of the package."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("h.toml").write_text(
            (files("difftool_molecule") / "cascades" / "hydrogens.toml").read_text()
        )
        assert call("train", "h.toml", *(word for one in SETS for word in ("--set", one))) == 0
    return folder


@pytest.fixture
def there(place, monkeypatch):
    monkeypatch.chdir(place)


@pytest.fixture(scope="module")
def stage(place):
    return load_stage(
        place / "runs" / "h" / "hydrogens" / "model.safetensors", Registry.load_all(), device="cpu"
    )


def made(stage, low=HEAVY, **wishes) -> list[np.ndarray]:
    return [
        one.example
        for one in generate(stage, SampleRequest(n=len(low), steps=4, low=low, **wishes))
    ]


# --- by the command line ----------------------------------------------------------------------------------------------


def test_the_whole_chain_makes_molecules_on_their_own_heavy_atoms(there):
    assert call("sample", "runs/h", "-n", "3", "--steps", "2", "--save-all", "-o", "all") == 0
    for name in ("000000.sdf", "000001.sdf", "000002.sdf"):
        bare, whole = (molecule(Path("all") / part / name) for part in ("heavy", "hydrogens"))
        k = len(bare.numbers)
        assert whole.numbers.tolist() == [*bare.numbers, *[1] * (len(whole.numbers) - k)]
        np.testing.assert_allclose(_shape(whole.positions[:k]), _shape(bare.positions), atol=2e-3)


def test_a_number_of_all_atoms_cannot_be_asked_for_and_it_says_what_can(there, capsys):
    assert call("sample", "runs/h", "--atoms", "9") == 2
    said = capsys.readouterr().err
    assert "--atoms says how large the samples of" in said
    assert "How many hydrogens it adds follows from the heavy atoms" in said
    assert "--until" in said


@pytest.mark.parametrize("run", ["runs/h", "runs/h/hydrogens"])
def test_hydrogens_are_added_to_molecules_of_a_file(there, run, tmp_path):
    """With an earlier stage or without, and whether the file has hydrogens already or not."""
    bare = methane().taken([0])
    file = save(tmp_path / "heavy.sdf", sdf(bare) + sdf(methane()) + sdf(water()))
    assert (
        call("sample", run, "--from", str(file), "--steps", "2", "-o", str(tmp_path / "made")) == 0
    )
    found = [molecule(path).numbers.tolist() for path in sorted((tmp_path / "made").glob("*.sdf"))]
    assert found == [[6, 1, 1, 1, 1], [6, 1, 1, 1, 1], [8, 1, 1]]


def test_an_earlier_stage_with_hydrogens_is_told_before_anything_is_trained(there, capsys):
    text = Path("h.toml").read_text().replace('"drop"', '"keep"')
    Path("bad.toml").write_text(text)
    assert call("train", "bad.toml", *(word for one in SETS for word in ("--set", one))) == 2
    assert "The earlier stage makes hydrogen atoms, and so does this one" in capsys.readouterr().err


def test_levels_are_tuned_by_the_lengths_of_bonds(there, capsys, tmp_path):
    data = str(save(tmp_path / "unseen.sdf", (sdf(methane()) + sdf(water())) * 4))
    words = (data, "-n", "4", "--levels", "0,0.1", "--dry-run", "--json")
    assert call("cascade", "tune", "runs/h", *words) == 0
    (stage,) = json.loads(capsys.readouterr().out)["stages"]
    assert [one["level"] for one in stage["levels"]] == [0, 0.1]
    assert stage["level"] in (0, 0.1)
    assert stage["distance_of_data"] < 1e-3, "molecules of the same two kinds, in angstrom"
    assert all(one["distance"] is None or one["distance"] > 0.01 for one in stage["levels"])


# --- what samples keep ------------------------------------------------------------------------------------------------


def test_heavy_atoms_come_out_as_they_went_in_and_the_rest_are_hydrogens(stage):
    for low, one in zip(HEAVY, made(stage), strict=True):
        k = len(low)
        assert one[:k, 3:].tolist() == low[:, 3:].tolist()
        np.testing.assert_allclose(_shape(one[:k, :3]), _shape(low[:, :3]), atol=1e-4)
        assert (one[k:, 3:] == [1, 0]).all()
        assert np.isfinite(one).all()


def test_of_a_molecule_that_lacks_none_nothing_is_made(stage):
    (one,) = made(stage, [CARBON_DIOXIDE])
    np.testing.assert_allclose(_shape(one[:, :3]), _shape(CARBON_DIOXIDE[:, :3]), atol=1e-4)


def test_a_sample_does_not_depend_on_its_neighbours(stage):
    for level in (0.0, 0.1):
        for one, other in zip(
            made(stage, level=level), made(stage, level=level, batch=1), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_with_a_level_the_noise_stays_in_the_sample(stage):
    (one,) = made(stage, HEAVY[2:3], level=0.1)
    off = np.abs(_distances(one[:6, :3]) - _distances(HEAVY[2][:, :3]))
    assert 0.01 < off.max() < 1


def test_samples_turn_with_the_atoms_given_and_the_noise(stage):
    """The chance of any hydrogens is that of the same, turned, on heavy atoms that are turned alike."""
    plain, other = (_solved(stage, BENZENE, turn) for turn in (torch.eye(3), _rotation()))
    torch.testing.assert_close(other, plain @ _rotation().T, atol=1e-3, rtol=1e-3)


def test_the_network_meets_the_same_heavy_atoms_in_training_and_in_sampling(stage):
    """At every noise level they have the shape that they are given with."""
    like = _like(stage, BENZENE)
    met = []

    def denoise(x, sigma):
        met.append(x)
        return 0.1 * x

    keep = keeping(
        denoise, stage.representation.space, like.x, like.observed, like.mask, clean=like.noise_free
    )
    keep(
        10 * stage.representation.space.noise(like.x.shape, Streams(0, "noise", [0]), like.mask),
        10.0,
    )
    np.testing.assert_allclose(
        _shape(met[0][0, :6, :3].numpy()), _shape(BENZENE[:6, :3]), atol=1e-4
    )
    assert torch.equal(met[0][..., 3:], like.x[..., 3:])


def _like(stage, example: np.ndarray):
    low, template = stage.bridge.template(
        example[example[:, 3] != 1], stage.modality.collate([example], Streams(0, "like", [0]))
    )
    return stage.bridge.encode(low, template, torch.zeros(1), Streams(0, "bridge", [0]))


def _solved(stage, example: np.ndarray, turn: torch.Tensor) -> torch.Tensor:
    """``[n, 3]``: the sample whose heavy atoms and whose noise are turned."""
    example = example.copy()
    example[:, :3] = example[:, :3] @ turn.T.numpy()
    like, space = _like(stage, example), stage.representation.space
    rng = Streams(0, "sample", [0])

    def noise(*interval):
        x = space.noise(like.x.shape, rng, like.mask)
        return torch.cat((x[..., :3] @ turn.T, x[..., 3:]), -1)

    denoise = keeping(
        ClassifierFree().bind(stage.denoiser, like.cond, like.mask),
        space,
        like.x,
        like.observed,
        like.mask,
        clean=like.noise_free,
    )
    sigmas = stage.process.schedule.sigmas(5)
    with torch.inference_mode():
        steps = list(stage.sampler(denoise, noise() * sigmas[0], sigmas, noise, **stage.knobs))
    return steps[-1].x[0, :, :3]


def _rotation() -> torch.Tensor:
    basis = np.concatenate((np.eye(3), np.zeros((3, 2))), 1).astype(np.float32)
    moved = turned(np.concatenate((basis, np.zeros((1, 5), np.float32))), 3)[:, :3]
    return torch.from_numpy((moved[:3] - moved[3]).T)


def _shape(positions: np.ndarray) -> np.ndarray:
    return positions - positions[:1]


def _distances(positions: np.ndarray) -> np.ndarray:
    return np.linalg.norm(positions[:, None] - positions, axis=-1)
