"""What a run will cost, measured by up to three warm steps without writing anything."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch

from ..batch import Batch
from ..data.dataset import Dataset, batches
from ..stage import Stage
from .cadence import Cadence
from .device import memory_in_use, memory_total, naming_memory_knobs
from .disk import SaveSizes, cached_bytes, forecast, free_bytes
from .fit import device_of, make_step
from .preview import preview_cost
from .step import TrainStep

WARM_STEPS = 3

PATIENCE = 60
"""Seconds of steps after which no further step is taken: of a slow network even the first one tells."""


def dry_run(stage: Stage, dataset: Dataset, folder: Path) -> dict[str, Any]:
    """Sizes and speeds of a run that is not started; ``folder`` is where it would be written."""
    train = stage.settings.train
    step = make_step(stage, train, prepared=dataset.encoded is not None)
    with naming_memory_knobs(train):
        seconds = list[float]()
        few = batches(dataset, seed=train.seed, batch=train.batch, start=0, stop=1 + WARM_STEPS)
        for i, raw in enumerate(few):
            if sum(seconds) < PATIENCE:
                seconds.append(_timed(step, i, raw))
    used = memory_in_use(step.device)
    sample = preview_cost(step, dataset)
    sizes = SaveSizes.of(step)
    per_step = mean(seconds[1:] or seconds)  # the first makes buffers and plans
    return {
        "data": dataset.source,
        "examples": len(dataset),
        "skipped": len(dataset.skipped),
        "raw_shape": list(dataset.description.shape),
        "shapes": 1 if dataset.groups is None else len(np.unique(dataset.groups)),
        "model_shape": list(stage.representation.shape),
        "conditions": {name: c.kind for name, c in dataset.description.conditions.items()},
        "parameters": sum(p.numel() for p in step.objective.model.parameters()),
        "device": str(step.device),
        "precision": str(step.precision).removeprefix("torch."),
        "memory_bytes": used,
        "preview_bytes": sample.extra if sample else None,
        "memory_total_bytes": memory_total(step.device),
        "checkpoint_bytes": sizes.checkpoint,
        "checkpoints_kept": train.keep,
        "disk_bytes": forecast(sizes, Cadence(train, stage.settings.ema), dataset),
        "cache_bytes": cached_bytes(dataset),
        "free_disk_bytes": free_bytes(folder),
        "seconds_per_step": per_step,
        "steps": train.steps,
        "seconds_in_all": per_step * train.steps,
    }


def parts_that_fit(stage: Stage, dataset: Dataset, share: float = 0.8) -> int:
    """The smallest ``accumulate`` with which a step stays within this share of the device's memory:
    ``--batch auto``.

    Memory is a + b n for n examples at once; small steps measure a and b. They train the stage, so
    build it again afterwards.
    """
    train = stage.settings.train
    device = device_of(stage)
    used = [_memory_of(stage, dataset, min(n, train.batch)) for n in (1, 2, 4)]
    per_example = max(used[2] - used[1], 1) / 2
    room = share * memory_total(device) - used[1]
    parts = 1
    while per_example * train.batch / parts > room and train.batch % (2 * parts) == 0:
        parts *= 2
    return parts


def _memory_of(stage: Stage, dataset: Dataset, batch: int) -> int:
    train = stage.settings.train.model_copy(
        update={"batch": batch, "accumulate": 1, "compile": "off"}
    )
    step = make_step(stage, train, prepared=dataset.encoded is not None)
    if step.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(step.device)
    for i, raw in enumerate(batches(dataset, seed=0, batch=batch, start=0, stop=2)):
        step(i, raw)
    return memory_in_use(step.device)


def _timed(step: TrainStep, i: int, raw: Batch) -> float:
    start = time.perf_counter()
    step(i, raw)
    if step.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
