"""Every sampler works with every row of the process and every kind of data, by the engine itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from small import prepared, registry, small_run

from difftool.assemble import Assembly, build_stage, encode_dataset, open_dataset
from difftool.config import gather, resolve
from difftool.engine.device import choose_device
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.stage import Stage

ROWS = [spec.name for spec in registry().specs("process") if spec.name != "cold"]
SAMPLERS = [spec.name for spec in registry().specs("sampler")]
TINY = {
    "audio": ["representation.use=spectrogram", "backbone.channels=8"],
    "video": ["backbone.channels=8"],
    "molecule": ["backbone.layers=1", "backbone.features=8"],
}


@cache
def built(modality: str, row: str) -> Stage:
    """A stage that was not trained, with its network's last layer away from zero."""
    torch.manual_seed(0)
    choose = [f"process.use={row}"]
    if modality == "image":
        stage = prepared(*small_run(sets=choose))[0]
    else:
        sets = ["train.device=cpu", *TINY[modality], *choose]
        layers = gather(registry(), modality, sets=sets, project=None)
        assembly = Assembly(registry(), choose_device("cpu"))
        config, dataset = open_dataset(
            resolve(modality, layers, registry()), registry(), assembly=assembly
        )
        dataset = encode_dataset(config, assembly, dataset)
        stage = build_stage(
            config,
            registry(),
            dataset.description,
            assembly.device,
            dataset.modality,
            assembly=assembly,
        )
    with torch.no_grad():
        for parameter in stage.denoiser.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return stage


def sampled(stage: Stage, sampler: str, batch: int) -> Sequence[np.ndarray]:
    spec = registry().get("sampler", sampler)
    # an untrained network is rough: a finer tolerance takes thousands of evaluations
    given = {"tolerance": 1.0} if sampler == "rk45" else {}
    knobs = registry().options(spec)(**given).model_dump()
    stage = replace(stage, sampler=registry().load(spec), knobs=knobs)
    return [one.example for one in generate(stage, SampleRequest(n=2, steps=3, batch=batch))]


def holds(modality: str, row: str, sampler: str) -> None:
    """Samples are finite, differ from each other, and do not depend on the size of the batch.

    The last is a law of the sampler, tried on one row; rk45 chooses its steps for a whole batch.
    """
    stage = built(modality, row)
    together = sampled(stage, sampler, 2)
    alone = sampled(stage, sampler, 1) if row == "edm" and sampler != "rk45" else together
    for one, other in zip(together, alone, strict=True):
        assert np.isfinite(one).all()
        assert one.shape == other.shape
        # batches of other sizes round differently; integers may then differ by a step or two
        near = 1e-3 * np.abs(one).max() if np.issubdtype(one.dtype, np.floating) else 2
        assert np.abs(one.astype(float) - other.astype(float)).max() <= near
    assert not all(np.array_equal(together[0], one) for one in together[1:])


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_pictures(sampler, row):
    holds("image", row, sampler)


@pytest.mark.heavy
@pytest.mark.parametrize("modality", ["audio", "video"])
def test_cold_diffusion_has_one_solver_for_every_kind_of_data(modality):
    holds(modality, "cold", "heun")


@pytest.mark.heavy
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("modality", sorted(TINY))
def test_every_kind_of_data(modality, sampler, row):
    holds(modality, row, sampler)
