"""Molecules through the engine: exact resume with batches of like size, and samples of any size, condition and fragment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from difftool.assemble import build_stage, load_stage, open_dataset
from difftool.config import gather, resolve
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.device import choose_device
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.plugin.registry import Registry
from difftool_molecule.options import MoleculeRequest

from .conftest import made, methane, save, sdf, water, xyz

SETS = [
    "backbone.layers=2",
    "backbone.features=16",
    "backbone.embedding=16",
    "conditions.energy.use=number",
    "data.bucket=2",
    "train.steps=6",
    "train.batch=4",
    "train.preview=0",
    "train.save_every=3",
    'train.precision="fp32"',
    'train.device="cpu"',
    "optimizer.warmup=0",
]


@pytest.fixture(scope="module")
def molecules(tmp_path_factory):
    """Twelve waters and methanes, each with its energy."""
    both = (water(), methane())
    return save(
        tmp_path_factory.mktemp("molecules") / "a.xyz",
        "".join(xyz(both[k % 2], f"Properties=species:S:1:pos:R:3 energy={k}") for k in range(12)),
    )


def train(data: Path, path: Path, stops: list[int]) -> RunFolder:
    """Train to the end, as if interrupted after these steps and resumed."""
    parts = Registry.load_all()
    config = resolve(
        "molecule",
        gather(parts, "molecule", sets=[f'data.path="{data}"', *SETS], project=None),
        parts,
    )
    for resume, stop_at in enumerate([*stops, 10**9]):
        settled, dataset = open_dataset(
            config, parts, measured=RunFolder.open(path).description().measured if resume else None
        )
        stage = build_stage(
            settled, parts, dataset.description, choose_device("cpu"), dataset.modality
        )
        folder = (
            RunFolder.open(path)
            if resume
            else RunFolder.create(path, settled.to_toml(), dataset.description, dataset.source)
        )
        done = [0]
        for progress in fit(
            stage,
            dataset,
            folder,
            resume=bool(resume),
            stop=lambda at=stop_at, done=done: done[0] + 1 >= at,
        ):
            done[0] = progress.step
    return folder


@pytest.fixture(scope="module")
def trained(molecules, tmp_path_factory):
    return train(molecules, tmp_path_factory.mktemp("run") / "run", [])


def sampled(folder: RunFolder, n: int = 4, **wishes) -> list:
    stage = load_stage(folder.model_path, Registry.load_all(), device="cpu")
    return list(generate(stage, SampleRequest(n=n, steps=4, **wishes)))


def test_a_stopped_run_ends_as_one_left_alone(trained, molecules, tmp_path):
    """Stopped between batches that were sorted together."""
    again = train(molecules, tmp_path / "again", [3])
    one, other = (
        load_checkpoint(folder.path / "checkpoints" / "00000006.safetensors")[0]
        for folder in (trained, again)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_sample_does_not_depend_on_its_neighbours(trained):
    together, alone = sampled(trained, 8), sampled(trained, 8, batch=1)
    assert {len(one.example) for one in together} == {3, 5}
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.example, other.example, atol=1e-4)


def test_samples_are_of_the_size_asked_for_about_their_centre_and_of_known_elements(trained):
    for one in sampled(trained, shape=MoleculeRequest(atoms=7)):
        assert one.example.shape == (7, 5)
        assert np.abs(one.example[:, :3].mean(0)).max() < 1e-5
        assert set(one.example[:, 3]) <= {1, 6, 8}


def test_a_property_guides(trained):
    given = {"cond": {"energy": ["11"]}, "shape": MoleculeRequest(atoms=5)}
    once, thrice = (
        sampled(trained, guidance=ClassifierFree(GuidanceOptions(scale=scale)), **given)
        for scale in (1, 3)
    )
    assert [one.cond["energy"] for one in once] == [11.0] * 4
    assert all(
        not np.array_equal(one.example, other.example)
        for one, other in zip(once, thrice, strict=True)
    )


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_fragments_keep_their_shape_while_the_rest_is_made(trained, tmp_path, scale):
    """Two parts that a linker may join: they stay as far from each other as they were."""
    given = made("O H C H", [[5, 0, 0], [5.96, 0, 0], [5, 4, 0], [5, 5.09, 0]])
    wish = MoleculeRequest(atoms=9, fragment=str(save(tmp_path / "ends.sdf", sdf(given))))
    cond = {"energy": ["3"]}
    for one in sampled(
        trained, shape=wish, cond=cond, guidance=ClassifierFree(GuidanceOptions(scale=scale))
    ):
        assert one.example.shape == (9, 5)
        assert one.example[:4, 3].tolist() == [8, 1, 6, 1]
        moved = one.example[:4, :3] - one.example[0, :3]
        np.testing.assert_allclose(moved, given.positions - given.positions[0], atol=1e-4)
        assert np.abs(one.example[:, :3].mean(0)).max() < 1e-5
