"""Sampling in a later stage of a cascade: each sample refines one example of the earlier stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..batch import Batch, together
from ..bridge import Bridge
from ..errors import UsageError


def require_low(bridge: Bridge | None, low: Sequence[np.ndarray], level: float, n: int) -> None:
    """Raise UsageError unless the model is given the examples that it refines, and no others."""
    if bridge is None:
        if len(low) or level:
            raise UsageError(
                "The model takes no examples to refine. Leave them out: it was trained without a "
                "bridge."
            )
        return
    if not len(low):
        raise UsageError(
            "The model needs examples to refine. Sample the whole cascade, or name examples with "
            "--from FILES. It is a later stage of a cascade, which refines the samples of an "
            "earlier one."
        )
    if len(low) != n:
        raise UsageError(
            f"{n} samples are requested, but {len(low)} examples are given. Give one example for "
            "each sample, which refines it."
        )
    if not 0 <= level <= bridge.max_aug_level:
        raise UsageError(
            f"The model was not trained at level {level:g}. Choose a level from 0 to "
            f"{bridge.max_aug_level:g}, the range of its bridge."
        )


def alike(
    bridge: Bridge, low: Sequence[np.ndarray], start: int, indices: Sequence[int], shapes: Batch
) -> Iterator[tuple[list[int], Batch, Batch]]:
    """Groups of samples of one shape: their indices, the examples that they refine, the template.

    A group is smaller if its samples are larger than the modality's template. Each sample is
    prepared alone, so that it does not depend on the others.

    Args:
        low: the sample of index ``start + i`` refines ``low[i]``.
        shapes: the modality's template of all indices.
    """
    groups: dict[tuple, list[tuple[int, Batch, Batch]]] = {}
    for place, index in enumerate(indices):
        pair = bridge.template(low[index - start], shapes.part(place, 1))
        groups.setdefault(tuple(_sizes(batch) for batch in pair), []).append((index, *pair))
    for group in groups.values():
        # how many times larger they are than the modality's template, rounded up
        times = -(-group[0][2].x.numel() * len(indices) // shapes.x.numel())
        each = max(1, len(indices) // times)
        for at in range(0, len(group), each):
            some, lows, templates = zip(*group[at : at + each], strict=True)
            yield list(some), together(lows), together(templates)


def _sizes(batch: Batch) -> tuple:
    tensors = {"mask": batch.mask, "observed": batch.observed, **batch.cond}
    return batch.x.shape, tuple(
        (name, None if t is None else t.shape) for name, t in tensors.items()
    )
