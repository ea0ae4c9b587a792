"""Sampling with a control branch: the maps that samples follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Branch:
    """A further control branch of the model, and the files whose map it follows.

    Attributes:
        stage: a model with a control branch beside the same network.
        examples: raw examples, taken in turn.
        scale: how much the map counts.
    """

    stage: Stage
    examples: Sequence[np.ndarray]
    scale: float = 1.0


def joined_branches(stage: Stage, branches: Sequence[Branch]) -> None:
    """Let the model follow the maps of further branches too.

    Raises UsageError where one was not learnt beside the same model.
    """
    backbone = stage.denoiser.backbone
    if not isinstance(backbone, Controlled):
        if branches:
            raise UsageError(
                "--branch adds a branch to a model that has one, and this model has none. Name a run "
                "of difftool finetune RUN DATA --method control."
            )
        return
    found = list[Controlled]()
    for branch in branches:
        other = branch.stage.denoiser.backbone
        if not isinstance(other, Controlled) or not _alike(backbone.network, other.network):
            raise UsageError(
                "--branch names a model that has no control branch beside the same network. Train "
                "both on one model: difftool finetune RUN DATA --method control."
            )
        other.scale = branch.scale
        found.append(other.eval())
    backbone.others = tuple(found)


def _alike(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    own, theirs = one.state_dict(), other.state_dict()
    return own.keys() == theirs.keys() and all(torch.equal(own[n], theirs[n]) for n in own)


def with_control(
    stage: Stage,
    like: Batch,
    examples: Sequence[np.ndarray],
    indices: Sequence[int],
    branches: Sequence[Branch] = (),
) -> Batch:
    """Encoded templates with the maps of the examples that belong to these samples.

    Raises UsageError for an example of another size.
    """
    if not controlled(stage):
        return like
    shown = [_shown(stage, like, examples, indices)]
    shown += [_shown(one.stage, like, one.examples, indices) for one in branches]
    return like.with_cond(**{CONTROL: torch.cat(shown, 1)})


def _shown(
    stage: Stage, like: Batch, examples: Sequence[np.ndarray], indices: Sequence[int]
) -> torch.Tensor:
    """The maps that a branch follows."""
    operator = stage.config["objective"]["operator"]
    places = stage.representation.space.places
    chosen = [examples[index % len(examples)] for index in indices]
    if places:
        return torch.cat(
            [_of_points(stage, operator, one, like, row) for row, one in enumerate(chosen)]
        )
    if len({one.shape for one in chosen}) > 1:
        raise UsageError("The files of --control differ in size. Bring them to one size.")
    raw = torch.from_numpy(np.stack([np.array(one) for one in chosen])).to(like.x.device)
    shown = mapped(operator, stage.representation.encode(Batch(raw, like.cond)).x)
    if shown.shape[2:] != like.x.shape[2:]:
        raise UsageError(
            f"The map of --control has the size {tuple(shown.shape[2:])}, and samples have "
            f"{tuple(like.x.shape[2:])}. Give a file of the size of the samples."
        )
    return shown


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
