"""MeasureLevels: the loss by noise level while training, on held-out and on training examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
from ..stage import Stage
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

SCORED = 128
"""Samples of which a metric is measured."""

GUIDED = 2
"""Evaluations of a step of sampling; guidance takes two."""

NOTHING: Mapping[str, Any] = {"sigmas": [], "held": {}, "trained": {}, "error": []}
"""A row where no example is held out."""

SLOWER = 2.0
"""An evaluation here over one in training, which may be compiled and has larger batches."""


Score = Callable[[Stage], float]
"""A number of samples of a stage, by which the best model is kept; the lower the better."""


def interval(train: TrainOptions, averages: int, held: int, more: float = 0.0) -> int:
    """Steps between two measurements; 0 for none.

    A function of the settings, not of a clock: a resumed run measures at the steps of one that was
    never stopped.

    Args:
        held: number of examples that are held out.
        more: evaluations of the network beside those for the losses.
    """
    if not (held or more) or train.evaluate_every == 0:
        return 0
    if train.evaluate_every != "auto":
        return train.evaluate_every
    evaluations = SLOWER * 2 * min(EXAMPLES, held) * LEVELS * (1 + averages) + more
    return math.ceil(evaluations / (COST * STEP * train.batch))


class MeasureLevels(Observer):
    """Appends rows to ``levels.jsonl``, and keeps the best model where ``train.best`` asks for it.

    A row has ``step``, ``sigmas``, and under ``held`` and ``trained`` for the weights (``live``)
    and each of their averages the losses at these levels; ``error`` is the standard error of the
    first average's loss on held-out examples. Under ``score`` is the number of samples by which the
    best model is kept, where a metric decides.

    Args:
        score: that number; None where the loss on held-out examples decides.
    """

    def __init__(
        self, step: TrainStep, dataset: Dataset, folder: RunFolder, score: Score | None = None
    ) -> None:
        self._step, self._dataset, self._folder, self._score = step, dataset, folder, score
        held = dataset.held if dataset.held is not None else np.zeros(0, np.int64)
        # of sharded weights this process holds only a part
        able = step.stage.network is not None and not step.world.shards
        enough = len(held) > 1
        drawn = SCORED * step.stage.settings.sample.steps * GUIDED if score else 0.0
        self._measures = able and enough
        self._every = (
            interval(step.train, len(step.ema.profiles), len(held) * enough, drawn)
            if able and (enough or score)
            else 0
        )
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
        ends = step == last and (last > self._every or self._score is not None)
        return step % self._every == 0 or ends

    def _measure(self, step: int) -> None:
        try:
            row = measured(self._step, self._batches()) if self._measures else dict(NOTHING)
            if self._score is not None:
                row["score"] = self._scored()
        finally:  # after an error, too: training goes on
            self._step.objective.train()
        rows = self._folder.levels()
        self._folder.add_levels({"step": step, **row})
        if self._step.train.best:
            before = [self._worth(one) for one in rows]
            if not before or self._worth(row) < min(before):
                self._keep(step)

    def _worth(self, row: Mapping[str, Any]) -> float:
        """What the best model has least of."""
        if self._score is not None:
            found = row.get("score")
            return math.inf if found is None else float(found)
        return float(np.mean(row["held"][self._step.ema.profiles[0].name]))

    def _scored(self) -> float | None:
        """The score of samples of the first average; None where it has none yet."""
        assert self._score is not None
        eager = is_on(self._step.train.compile, self._step.device)
        with (
            self._step.ema.applied(),
            torch.compiler.set_stance("force_eager") if eager else nullcontext(),
        ):
            found = self._score(self._step.stage)
        return found if math.isfinite(found) else None

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
