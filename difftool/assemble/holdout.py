"""Examples that a run is not trained on, so that its loss on them says whether it generalises."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from ..config import Config
from ..data.cache import Progress, cache_path
from ..data.dataset import Dataset
from ..data.order import Order
from ..files import write_text
from ..judge.eye import SOME, Eye
from ..metrics.neighbours import AT_ONCE, squared_distances

FORMAT = 1

ENOUGH = 800
"""Examples from which on some are held out where nothing is said."""

SHARE, MOST = 0.05, 512
"""How many then: this share, and at most so many."""

NEAR = 0.15
"""Distance of two near copies, over the median distance of two examples."""

SPARE = 2
"""Candidates for each held-out example: those with a near copy stay in training."""


def hold_out(config: Config, dataset: Dataset, progress: Progress | None = None) -> Dataset:
    """The data set without the examples that ``data.holdout`` asks for.

    They are a function of the data alone, so that all runs on the same data hold out the same
    ones. No example is held out that has a near copy among the others: its loss would say that the
    run generalises where it has learnt by heart. If most examples have copies, fewer are held out.
    The choice is kept in the cache.
    """
    if not (wanted := held_count(config, len(dataset))):
        return dataset
    about = [FORMAT, wanted, dataset.cache.content, dataset.modality.settings().model_dump_json()]
    name = blake2b(json.dumps(about).encode(), digest_size=10).hexdigest()
    note = cache_path(f"holdout/{name}.json")
    with suppress(FileNotFoundError, ValueError):
        return replace(dataset, held=np.array(json.loads(note.read_text()), np.int64))
    held = _apart(dataset, wanted, progress)
    write_text(note, json.dumps(held.tolist()))
    return replace(dataset, held=held)


def held_count(config: Config, count: int) -> int:
    """The number of examples to hold out of so many."""
    asked = config.data.holdout
    if asked == "auto":
        return min(MOST, int(SHARE * count)) if count >= ENOUGH else 0
    return min(int(asked * count), count - 2) if count > 2 else 0


def _apart(dataset: Dataset, wanted: int, progress: Progress | None) -> np.ndarray:
    """Sorted indices of at most ``wanted`` examples without a near copy among the others."""
    count = len(dataset)
    candidates = Order(count, seed=0).indices(0, min(SPARE * wanted, count))
    sketches = _sketches(dataset, progress)
    usual = np.sqrt(
        np.median(squared_distances(sketches[candidates[:AT_ONCE]], sketches[:AT_ONCE]))
    )
    free = np.ones(len(candidates), bool)
    for at in range(0, len(candidates), AT_ONCE):
        some = candidates[at : at + AT_ONCE]
        apart = squared_distances(sketches[some], sketches)
        apart[np.arange(len(some)), some] = np.inf
        free[at : at + AT_ONCE] = apart.min(1) > np.square(NEAR * usual)
    return np.sort(candidates[free][:wanted])


def _sketches(dataset: Dataset, progress: Progress | None) -> np.ndarray:
    """``[n, d]``: vectors that are about as far apart as what a judge would be shown."""
    perceive, count = dataset.modality.perceive, len(dataset)
    first = dataset.cache.gather(np.arange(0, count, max(1, count // SOME)))
    eye = Eye.of([np.nan_to_num(perceive(one)) for one in first])
    rows = []
    for at in range(0, count, AT_ONCE):
        examples = dataset.cache.gather(np.arange(at, min(at + AT_ONCE, count)))
        rows.append(eye.sketch([np.nan_to_num(perceive(one)) for one in examples]))
        if progress:
            progress(at + len(examples), count, "comparing examples, to hold some out")
    return np.concatenate(rows)
