"""A sheet of samples of the averaged weights, made while training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..batch import Batch
from ..column import NULL_WORDS, Value
from ..data.dataset import Dataset
from ..errors import DeviceError, is_out_of_memory
from ..rng import Stream
from ..stage import Stage
from .asked import ALL
from .device import is_on
from .folder import RunFolder
from .generate import generate
from .padding import unpadded
from .reconstruct import reconstructed
from .sample_request import SampleRequest
from .sampling_cost import SamplingCost, sampling_cost
from .shard import gathered
from .step import TrainStep

EXAMINED = 64
"""Most examples on which an objective looks for faults of the model."""


def preview(step: TrainStep, dataset: Dataset, folder: RunFolder, done: int) -> Path | None:
    """Sample from the first average and write the modality's preview into the run's ``samples``
    folder.

    Where the weights are sharded every process calls it and makes the same samples: the order in
    which a process computes is that in which it gathers weights later, and must be the others' too.
    Only the leading one writes; the others return None.
    """
    whole = gathered(step.players[0].loss) if step.world.shards else nullcontext()
    try:
        with step.ema.applied(), whole, as_is(step):
            if not step.world.leads:
                _examples(step.stage, dataset, step.train.preview)
                return None
            stem = folder.samples_path / f"preview-{done:08d}"
            return preview_sheet(step.stage, dataset, stem, step.train.preview)
    finally:
        step.objective.train()


def as_is(step: TrainStep) -> AbstractContextManager[object]:
    """Nothing is compiled inside the block: that takes longer than a preview, whose batches have
    other sizes than those of training.
    """
    compiled = is_on(step.train.compile, step.device)
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def preview_cost(step: TrainStep, dataset: Dataset) -> SamplingCost | None:
    """What a preview takes; None where none is made."""
    if not step.train.preview or step.stage.network is None or step.stage.untrained_levels:
        return None
    try:
        with as_is(step):
            return sampling_cost(step.stage, _request(step.stage, dataset, step.train.preview))
    finally:
        step.objective.train()


def preview_sheet(stage: Stage, dataset: Dataset, stem: Path, n: int) -> Path:
    """One file with ``n`` samples of the run's settings: each label in turn, or refined examples.

    A model without a denoiser shows examples of the data, each with its reconstruction.
    """
    made = _examples(stage, dataset, n)
    stem.parent.mkdir(parents=True, exist_ok=True)
    return stage.modality.preview(
        [example for example, _ in made], stem, [title for _, title in made]
    )


def _examples(stage: Stage, dataset: Dataset, n: int) -> list[tuple[np.ndarray, str]]:
    return (
        _reconstructed(stage, dataset, n) if stage.network is None else _sampled(stage, dataset, n)
    )


def _sampled(stage: Stage, dataset: Dataset, n: int) -> list[tuple[np.ndarray, str]]:
    """Examples with their titles, in smaller batches where the memory is too small for large ones."""
    request = _request(stage, dataset, n)
    while True:
        try:
            return [(one.example, one.title) for one in generate(stage, request)]
        except DeviceError as error:
            at_once = min(request.batch, request.n)
            if at_once == 1 or not is_out_of_memory(error.__cause__ or error):
                raise
        request = replace(request, batch=at_once // 2)  # the error is gone here, and what it held
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _request(stage: Stage, dataset: Dataset, n: int) -> SampleRequest:
    """``n`` samples of the run's settings."""
    request = SampleRequest(n=n, guidance=stage.guidance, **stage.settings.sample.model_dump())
    return _labelled(stage, request) if stage.bridge is None else _refining(stage, dataset, request)


@torch.no_grad()
def complaints(step: TrainStep, dataset: Dataset) -> list[str]:
    """What the objective finds wrong with the first average, seen on some of the data."""
    stage = step.stage
    try:
        with step.ema.applied():
            step.objective.eval()
            raw = _some(stage, dataset, min(len(dataset), EXAMINED, 4 * step.train.batch))
            return list(step.objective.complaints(stage.representation.encode(raw)))
    finally:
        step.objective.train()


def _some(stage: Stage, dataset: Dataset, n: int) -> Batch:
    """Raw examples from all over the data, on the device."""
    assert stage.objective is not None
    device = next(stage.objective.parameters()).device
    raw = dataset.batch(_all_over(dataset, n), Stream(0, "preview"))
    return raw.map(lambda t: t.to(device))


@torch.no_grad()
def _reconstructed(stage: Stage, dataset: Dataset, n: int) -> list[tuple[np.ndarray, str]]:
    assert stage.objective is not None
    stage.objective.eval()
    pairs = reconstructed(stage, _some(stage, dataset, n // 2 or 1))
    return [shown for given, made in pairs for shown in ((given, "given"), (made, "reconstructed"))]


def _all_over(dataset: Dataset, n: int) -> np.ndarray:
    """Indices of examples, spread evenly over the data."""
    return np.arange(n) * len(dataset) // n


def _labelled(stage: Stage, request: SampleRequest) -> SampleRequest:
    columns = stage.description.conditions.values()
    listed = [
        column.name
        for column in columns
        if column.name in stage.denoiser.conditioners and column.choices()
    ]
    return replace(request, cond={name: [ALL] for name in listed})


def _refining(stage: Stage, dataset: Dataset, request: SampleRequest) -> SampleRequest:
    """The request with examples of the data to refine, and their conditions."""
    assert stage.bridge is not None
    places = _all_over(dataset, request.n)
    raw = dataset.batch(places, Stream(0, "preview"))
    low = stage.bridge.degrade(raw)
    given = {
        name: [_written(stage, name, values[int(i)]) for i in places]
        for name, values in dataset.values.items()
    }
    return replace(
        request,
        low=unpadded(low.x, low),
        cond={name: texts for name, texts in given.items() if name in stage.denoiser.conditioners},
    )


def _written(stage: Stage, name: str, value: Value) -> str:
    """A value as a user would write it."""
    shown = stage.description.conditions[name].show(value)
    return NULL_WORDS[0] if shown is None else str(shown)
