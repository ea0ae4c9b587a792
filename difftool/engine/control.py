"""Sampling with a control branch: the maps that samples follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..batch import Batch
from ..errors import UsageError
from ..nn.control import Controlled
from ..nn.operators import mapped
from ..objectives.options import CONTROL
from ..rng import Stream
from ..stage import Stage


def controlled(stage: Stage) -> set[str]:
    """The condition that a control branch takes; empty for a model without one."""
    return {CONTROL} if isinstance(stage.denoiser.backbone, Controlled) else set()


def require_control(stage: Stage, examples: Sequence[np.ndarray], scale: float) -> None:
    """Set how much the map counts. Raises UsageError where there is no map, or no branch."""
    backbone = stage.denoiser.backbone
    if isinstance(backbone, Controlled):
        if not len(examples):
            raise UsageError(
                "The model follows a map, and none is given. Name a file that has it with "
                "--control FILE."
            )
        backbone.scale = scale
    elif len(examples):
        raise UsageError(
            "The model has no control branch. Train one: difftool finetune RUN DATA --method "
            "control."
        )


def with_control(
    stage: Stage, like: Batch, examples: Sequence[np.ndarray], indices: Sequence[int]
) -> Batch:
    """Encoded templates with the maps of the examples that belong to these samples.

    Raises UsageError for an example of another size.
    """
    if not controlled(stage):
        return like
    operator = stage.config["objective"]["operator"]
    places = stage.representation.space.places
    chosen = [examples[index % len(examples)] for index in indices]
    if places:
        shown = torch.cat(
            [_of_points(stage, operator, one, like, row) for row, one in enumerate(chosen)]
        )
        return like.with_cond(**{CONTROL: shown})
    if len({one.shape for one in chosen}) > 1:
        raise UsageError("The files of --control differ in size. Bring them to one size.")
    raw = torch.from_numpy(np.stack([np.array(one) for one in chosen])).to(like.x.device)
    shown = mapped(operator, stage.representation.encode(Batch(raw, like.cond)).x)
    if shown.shape[2:] != like.x.shape[2:]:
        raise UsageError(
            f"The map of --control has the size {tuple(shown.shape[2:])}, and samples have "
            f"{tuple(like.x.shape[2:])}. Give a file of the size of the samples."
        )
    return like.with_cond(**{CONTROL: shown})


def _of_points(
    stage: Stage, operator: str, example: np.ndarray, like: Batch, row: int
) -> torch.Tensor:
    """The map of one example of points, ``[1, channels, n]``, padded as the samples are."""
    raw = stage.modality.collate([np.array(example)], Stream(0, "control"))
    raw = raw.map(lambda t: t.to(like.x.device))
    batch = stage.representation.encode(raw)
    own = int(torch.ones_like(batch.x[..., :1]).sum() if batch.mask is None else batch.mask.sum())
    n = like.x.shape[1]
    wanted = n if like.mask is None else int(like.mask.expand(len(like), n, 1)[row].sum())
    if own != wanted:
        raise UsageError(
            f"The file of --control has {own} points, and the sample has {wanted}. Ask for samples "
            "of its size."
        )
    found = mapped(operator, batch.x, batch.mask, stage.representation.space.places)
    return torch.nn.functional.pad(found[..., :own], (0, n - own))
