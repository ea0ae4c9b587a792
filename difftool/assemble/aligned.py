"""Whether an example is the same array whenever it is met, so that a file beside it fits it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..column import Column
from ..conditioners.file_column import BesideColumn
from ..config import NONE, Config
from ..data.dataset import Dataset
from ..errors import UsageError
from ..rng import Rng, Shape, Stream
from .tuned import map_column

CPU = torch.device("cpu")


def require_files_fit(config: Config, dataset: Dataset) -> None:
    """Raise UsageError where files lie beside examples that are cut or changed at random."""
    columns = dataset.description.conditions.values()
    beside = [*filter(None, [map_column(config)]), *(c.name for c in columns if _lies(c))]
    if not beside:
        return
    fact = f"The files of {beside[0]} lie beside the examples, but"
    if config.bridge.use != NONE:
        raise UsageError(
            f"{fact} this stage refines those of another. Remove the condition, or the bridge."
        )
    change = random_change(dataset, CPU)
    if change == "part":
        raise UsageError(
            f"{fact} the modality {config.modality.use!r} takes a random part of each. Cut the "
            "examples to the size that is trained on: no file would belong to a part."
        )
    if change == "augmentation":
        raise UsageError(
            f"{fact} the modality {config.modality.use!r} changes them at random. Turn its random "
            "changes off in [modality], such as modality.flip = false: the files stay as they are."
        )


def random_change(dataset: Dataset, device: torch.device) -> Literal["part", "augmentation"] | None:
    """How raw examples of a data set differ from step to step; None where they do not."""
    indices = np.arange(min(4, len(dataset)))
    draws: tuple[Rng, ...] = (_Constant(0.0), _Constant(1 - 2**-24), Stream(0, "encode"))
    first, *others = (dataset.batch(indices, rng) for rng in draws)
    if not all(_equal(first, other) for other in others):
        return "part"
    rng = _Constant(0.5)
    dataset.modality.augment(first.map(lambda t: t.to(device)), rng.on(device))
    return "augmentation" if rng.drawn else None


def _lies(column: Column) -> bool:
    return isinstance(column, BesideColumn)


class _Constant:
    """Random numbers that are all the same, and whether any were drawn."""

    def __init__(self, value: float) -> None:
        self.value, self.device, self.drawn = value, torch.device("cpu"), False

    def on(self, device: torch.device) -> _Constant:
        self.device = device
        return self

    def normal(self, shape: Shape) -> Tensor:
        self.drawn = True
        return torch.full(tuple(shape), self.value, device=self.device)

    uniform = normal


def _equal(one: Batch, other: Batch) -> bool:
    return all(
        _same(a, b) if a is not None and b is not None else a is b
        for a, b in [
            (one.x, other.x),
            (one.mask, other.mask),
            (one.observed, other.observed),
            *((one.cond[name], other.cond.get(name)) for name in one.cond),
        ]
    )


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether all entries are equal; NaN, which stands for what is not given, is equal to itself."""
    return torch.equal(one.nan_to_num(), other.nan_to_num())
