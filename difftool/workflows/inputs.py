"""The user's files that a stage refines instead of the samples of an earlier stage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from .chain_stage import ChainStage, Conditions
from .reporter import Reporter

if TYPE_CHECKING:
    import numpy as np

    from ..batch import Batch
    from ..modality import Item, Modality


def read_low(
    item: Item,
    modality: Modality,
    stage: ChainStage,
    degraded: bool,
    reporter: Reporter,
    as_trained: bool = False,
) -> np.ndarray:
    """A file as a sample of an earlier stage, in raw units, whole and at its own size.

    Args:
        modality: that of the earlier stage.
        degraded: whether no earlier stage is named; then ``modality`` is the stage's own and the
            file is degraded as in training.
        as_trained: whether to bring it to the size of training examples.
    """
    import numpy as np
    import torch

    from ..batch import Batch  # torch
    from ..data.bound import bounded
    from ..engine.padding import unpadded

    if not as_trained:
        with bounded(item.path):
            whole = modality.read_given(item)
        if not degraded or stage.bridge is None:
            return whole
        raw = Batch(
            torch.from_numpy(np.array(whole)[None])
        )  # a copy, because it may be a read-only memory map
    else:
        raw = _cut(item, modality, stage.request.seed, reporter)
    if degraded and stage.bridge is not None:
        raw = stage.bridge.degrade(raw)
    return unpadded(raw.x, raw)[0]


def _cut(item: Item, modality: Modality, seed: int, reporter: Reporter) -> Batch:
    """A file as training reads it."""
    from ..data.bound import bounded
    from ..engine.padding import unpadded  # torch
    from ..rng import Stream

    with bounded(item.path):
        whole = modality.read(item)
    raw = modality.collate([whole], Stream(seed, "given"))
    if unpadded(raw.x, raw)[0].size < whole.size:
        reporter.say(
            f"{item.path} is longer than the training examples: a random part of it is refined."
        )
    return raw


def say_larger(
    low: Collection[np.ndarray], usual: Sequence[int | None], reporter: Reporter
) -> None:
    """Say how many examples are larger than those of the earlier stage, of shape ``usual``."""
    larger = sum(
        any(most is not None and n > most for n, most in zip(one.shape, usual, strict=False))
        for one in low
    )
    if larger:
        many = f"{larger} of {len(low)} examples are" if len(low) > 1 else "The example is"
        reporter.say(
            f"{many} larger than the training examples and refined whole, which may take long. "
            "--as-trained cuts them to the trained size."
        )


def usual_low(stage: ChainStage, earlier: ChainStage | None) -> Sequence[int | None]:
    """The shape of the examples that a stage was trained to refine; empty where it varies."""
    import torch

    from ..batch import Batch  # torch

    about = (earlier or stage).model.description
    if earlier is not None or stage.bridge is None:
        return about.shape
    sizes = [n for n in about.shape if n is not None]
    return (
        stage.bridge.degrade(
            Batch(torch.zeros(1, *sizes, dtype=getattr(torch, about.dtype)))
        ).x.shape[1:]
        if len(sizes) == len(about.shape)
        else ()
    )


def conditions_of(item: Item, stage: ChainStage) -> Conditions:
    """The conditions of a file, from its folder or a table, where the stage knows the value."""
    return {name: _known(stage, name, item.columns.get(name)) for name in stage.settable}


def _known(stage: ChainStage, name: str, value: str | float | None) -> str | None:
    from ..data.columns import text_of  # numpy

    if value is None:
        return None
    try:
        stage.model.description.conditions[name].parse(text_of(value))
    except UsageError:
        return None
    return text_of(value)
