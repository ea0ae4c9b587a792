"""MeasureLevels: the loss by noise level while training, on held-out and on training examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from ..batch import Batch
from ..data.dataset import Dataset
from ..observer import Observer, Progress, RunInfo
from ..representation import weights_of
from ..rng import Stream
from ..settings import TrainOptions
from .device import is_on
from .folder import RunFolder
from .levels import AT_ONCE, level_losses, levels_of
from .players import OWN
from .step import TrainStep
from .weights import MODEL, save_weights

LEVELS = 8
"""Number of noise levels."""

EXAMPLES = 48
"""Most examples of each side."""

LIVE = "live"
"""The weights themselves, beside the names of their averages."""

COST = 0.03
"""Largest share of the time of training, where nothing is said."""

STEP = 3.0
"""Cost of a training step over that of an evaluation of the network on as many examples; the
backward pass takes twice the time of the forward pass.
"""

SLOWER = 1.5
"""An evaluation here over one in training, which may be compiled and has larger batches."""


def interval(train: TrainOptions, averages: int, held: int) -> int:
    """Steps between two measurements; 0 for none.

    A function of the settings, not of a clock: a resumed run measures at the steps of one that was
    never stopped.

    Args:
        held: number of examples that are held out.
    """
    if not held or train.evaluate_every == 0:
        return 0
    if train.evaluate_every != "auto":
        return train.evaluate_every
    evaluations = SLOWER * 2 * min(EXAMPLES, held) * LEVELS * (1 + averages)
    return math.ceil(evaluations / (COST * STEP * train.batch))


class MeasureLevels(Observer):
    """Appends rows to ``levels.jsonl``, and keeps the best model where ``train.best`` asks for it.

    A row has ``step``, ``sigmas``, and under ``held`` and ``trained`` for the weights (``live``)
    and each of their averages the losses at these levels; ``error`` is the standard error of the
    first average's loss on held-out examples.
    """

    def __init__(self, step: TrainStep, dataset: Dataset, folder: RunFolder) -> None:
        self._step, self._dataset, self._folder = step, dataset, folder
        held = dataset.held if dataset.held is not None else np.zeros(0, np.int64)
        # of sharded weights this process holds only a part
        able = step.stage.network is not None and len(held) > 1 and not step.world.shards
        self._every = interval(step.train, len(step.ema.profiles), len(held)) if able else 0
        self._sets: dict[str, list[Batch]] = {}

    def begin(self, run: RunInfo) -> None:
        """Measure at the step that is resumed if a kill came before it was measured."""
        if not self._every:
            return
        self._folder.resume_levels(run.first)
        rows = self._folder.levels()
        if run.first and self._due(run.first) and not (rows and rows[-1]["step"] == run.first):
            self._measure(run.first)

    def step(self, event: Progress) -> Progress | None:
        if self._every and self._due(event.step):
            self._measure(event.step)
        return None

    def _due(self, step: int) -> bool:
        last = self._step.train.steps
        return step % self._every == 0 or (step == last and last > self._every)

    def _measure(self, step: int) -> None:
        try:
            row = measured(self._step, self._batches())
        finally:  # after an error, too: training goes on
            self._step.objective.train()
        rows = self._folder.levels()
        self._folder.add_levels({"step": step, **row})
        if self._step.train.best:
            first = self._step.ema.profiles[0].name
            losses = [float(np.mean(one["held"][first])) for one in rows]
            if not losses or np.mean(row["held"][first]) < min(losses):
                self._keep(step)

    def _keep(self, step: int) -> None:
        """Write the model file of the first average."""
        stage, profile = self._step.stage, self._step.ema.profiles[0].name
        with self._step.ema.applied():
            weights = {
                name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, value in self._step.weights().items()
                if not name.startswith(OWN)
            }
        about = {
            "config": dict(stage.config),
            "description": stage.description.to_json(),
            "parts": dict(stage.packages),
            **({"opened": dict(stage.opened)} if stage.opened else {}),
        }
        save_weights(
            self._folder.best_path,
            MODEL,
            weights | weights_of(stage.representation),
            {**about, "step": step, "ema": profile},
        )

    def _batches(self) -> Mapping[str, Sequence[Batch]]:
        """The examples of both sides, encoded once."""
        if not self._sets:
            held = self._dataset.held
            assert held is not None
            count = min(EXAMPLES, len(held))
            seed = self._step.train.seed
            kept = self._dataset.order(seed, 1).indices(0, count)
            self._sets = {
                "held": self._encoded(held[:count]),
                "trained": self._encoded(kept),
            }
        return self._sets

    def _encoded(self, indices: np.ndarray) -> list[Batch]:
        size = min(AT_ONCE, max(1, self._step.share // self._step.train.accumulate))
        return [
            self._step.prepare(
                self._dataset.training_batch(indices[at : at + size], Stream(0, "levels", at)),
                Stream(0, "levels", at, device=self._step.device),
            )
            for at in range(0, len(indices), size)
        ]


@torch.no_grad()
def measured(step: TrainStep, sets: Mapping[str, Sequence[Batch]]) -> dict[str, Any]:
    """The losses of the weights and of their averages: a row of ``levels.jsonl``.

    It leaves the networks in evaluation.
    """
    sigmas = levels_of(step.stage, LEVELS)
    assert step.objective is not None
    step.objective.eval()
    first = step.ema.profiles[0].name
    row: dict[str, Any] = {"sigmas": sigmas.tolist(), **{name: {} for name in sets}}
    # compiling for these sizes would take longer than measuring
    eager = is_on(step.train.compile, step.device)
    with torch.compiler.set_stance("force_eager") if eager else nullcontext():
        for weights in (LIVE, *(profile.name for profile in step.ema.profiles)):
            applied = nullcontext() if weights == LIVE else step.ema.applied(weights)
            with applied:
                found = {
                    name: level_losses(step.stage, batches, sigmas)
                    for name, batches in sets.items()
                }
            for name, losses in found.items():
                row[name][weights] = losses.mean(1).tolist()
            if weights == first:
                held = found["held"]
                row["error"] = (held.std(1, ddof=1) / held.shape[1] ** 0.5).tolist()
    return row
