"""The room on the disk that a run needs: foretold before it begins, and watched while it trains."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..data.dataset import Dataset
from ..errors import DifftoolError
from ..figures import size
from ..representation import weights_of
from ..shell import command
from .cadence import Cadence
from .checkpoint import training_state
from .players import OWN
from .step import TrainStep

ROW = 120
"""Bytes of a line of metrics."""

SPARE = 16 << 20
"""Bytes that stay free for what is small: logs, metrics, the report."""


@dataclass(frozen=True, slots=True)
class SaveSizes:
    """Bytes of the files of one save: the checkpoint, the model, and a snapshot where one is due."""

    checkpoint: int
    model: int
    snapshot: int

    @classmethod
    def of(cls, step: TrainStep) -> SaveSizes:
        """Those of a step that was taken: optimizers have no state before."""
        model = {name: t for name, t in step.weights().items() if not name.startswith(OWN)}
        averaged = sum(model[name].numel() for name in step.ema.names if name in model)
        powers = sum(profile.name.startswith("power-") for profile in step.ema.profiles)
        return cls(
            checkpoint=_bytes(training_state(step).values()),
            model=_bytes(model.values()) + _bytes(weights_of(step.stage.representation).values()),
            snapshot=2 * averaged * powers,  # in half precision
        )

    def at(self, step: int, cadence: Cadence) -> int:
        """Room that the save at a step needs while it is written: files are replaced once they are
        whole.
        """
        return self.checkpoint + self.model + self.snapshot * cadence.snapshots(step)


def forecast(sizes: SaveSizes, cadence: Cadence, dataset: Dataset) -> dict[str, int]:
    """Bytes of all that a run will write into its folder, by kind; previews as if they were not
    compressed.
    """
    train, steps = cadence.train, cadence.train.steps
    snapshots = _times(steps, cadence.ema.snapshot_every)
    # the newest is written before the oldest is removed
    kept = min(train.keep + 1, max(_times(steps, train.save_every), snapshots))
    previews = max(_times(steps, train.preview_every), 1) if train.preview else 0
    example = math.prod(dataset.cache.shapes.max(0).tolist()) * dataset.cache.dtype.itemsize
    rows = steps // train.log_every + train.log_every.bit_length()
    return {
        "checkpoints": kept * sizes.checkpoint,
        "model": sizes.model * (2 if train.best else 1),
        "snapshots": snapshots * sizes.snapshot,
        "previews": previews * train.preview * example,
        "metrics": rows * ROW,
    }


def cached_bytes(dataset: Dataset) -> int:
    """Bytes of the data in the cache: decoded, and encoded where its representation asks for that."""
    encoded = dataset.encoded.nbytes if dataset.encoded is not None else 0
    return encoded + sum(path.stat().st_size for path in dataset.cache.folder.iterdir())


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk that holds a folder, or will hold it."""
    folder = folder.resolve()
    return shutil.disk_usage(
        next(parent for parent in (folder, *folder.parents) if parent.exists())
    ).free


def require_room(folder: Path, needed: int, step: int, *, saved: bool, spare: int = 0) -> None:
    """Raise DifftoolError where the next save does not fit on the disk, before anything is cut off.

    Args:
        needed, spare: bytes that it needs, and that have to stay free.
        step: the step of the training.
        saved: whether the state of this step is saved.
    """
    free = free_bytes(folder)
    if free >= needed + spare:
        return
    more = f" and {size(spare)} to spare" if spare else ""
    state = "Its state is saved" if saved else "The checkpoint before it is safe"
    raise DifftoolError(
        f"The disk that holds {folder} has {size(free)} left, and the next save needs "
        f"{size(needed)}{more}: training stops at step {step}. {state}. Free some space, then "
        f"continue with: {command('resume', folder)}. Fewer checkpoints (train.keep) and "
        "snapshots (ema.snapshot_every) need less."
    )


def _times(steps: int, every: int) -> int:
    """How often something is done that is done every so many steps, and after the last; 0 for
    never.
    """
    return -(-steps // every) if every else 0


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)
