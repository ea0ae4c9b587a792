"""Sampling that begins with examples: their batches, and where their sampling begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..edit import Edit, Given, Start
from ..errors import UsageError
from ..sampler import Denoise
from ..space import Euclidean, Space


@dataclass(frozen=True, slots=True)
class Editing:
    """What is done to which examples. Each sequence has one entry for each sample.

    Attributes:
        examples: raw examples.
        selected: where each is to be made anew: an array of truth values with the example's axes,
            each of its length or of 1; None for everywhere.
        own: condition name -> the examples' own values, as a user writes them.
        others, weights: the second example of each pair, and how far towards it.
    """

    edit: Edit
    examples: Sequence[np.ndarray]
    selected: Sequence[np.ndarray | None]
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others: Sequence[np.ndarray] = ()
    weights: Sequence[float] = ()


def alike(editing: Editing, start: int, indices: Sequence[int]) -> Iterator[Sequence[int]]:
    """Runs of neighbouring indices whose examples have one shape, and their marks too; single
    indices for an edit that takes examples alone.
    """

    def kind(index: int) -> tuple:
        place = index - start
        mark = editing.selected[place]
        shape = None if mark is None else mark.shape
        return editing.examples[place].shape, shape, index if editing.edit.alone else None

    for _, run in groupby(indices, kind):
        yield list(run)


def template(editing: Editing, start: int, indices: Sequence[int], usual: Batch) -> Batch:
    """The examples as a raw batch; what is not selected is observed.

    Args:
        usual: the modality's own template, for the conditions that it sets.
    """
    places = [index - start for index in indices]
    x = stacked([editing.examples[place] for place in places])
    for name, value in usual.cond.items():
        if value.ndim > 2 and usual.x.shape != x.shape:
            raise UsageError(
                f"The condition {name} belongs to the size that the model was trained on, and the "
                "example has another. Edit examples of that size."
            )
    marks = [editing.selected[place] for place in places]
    observed = None
    if marks[0] is not None:
        observed = stacked([~np.asarray(mark) for mark in marks])
    return Batch(x, usual.cond, observed=observed)


def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    """A batch of copies: an example may be a read-only view of a file."""
    return torch.from_numpy(np.stack([np.array(one) for one in arrays]))


def second(editing: Editing, start: int, indices: Sequence[int], like: Batch) -> Batch | None:
    """The second examples of the pairs, as a raw batch like ``like``; None where there are none."""
    if not editing.edit.pairs:
        return None
    others = [editing.others[index - start] for index in indices]
    if any(other.shape != tuple(like.x.shape[1:]) for other in others):
        raise UsageError(
            f"The two examples have the shapes {tuple(like.x.shape[1:])} and {others[0].shape}. "
            "Bring them to one size: between examples of different sizes there is nothing."
        )
    return Batch(stacked(others), like.cond)


def begin(
    editing: Editing,
    start: int,
    indices: Sequence[int],
    like: Batch,
    other: Batch | None,
    noise: Tensor,
    sigmas: Sequence[float],
    denoise: Denoise,
    describe: Denoise,
    space: Space,
) -> Start:
    """Where the sampling of these examples begins. ``like`` and ``other`` are encoded."""
    if like.observed is not None:
        require_marks(like)
    weight = None
    if editing.edit.pairs:
        weight = noise.new_tensor([editing.weights[index - start] for index in indices])
    return editing.edit.start(
        Given(
            like.x,
            noise,
            tuple(sigmas),
            denoise,
            describe,
            space,
            like.mask,
            None if other is None else other.x,
            weight,
        )
    )


def require_marks(like: Batch) -> None:
    """Raise UsageError where a representation has no entries that belong to those of the file."""
    assert like.observed is not None
    try:
        fits = torch.broadcast_shapes(like.observed.shape, like.x.shape) == like.x.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise UsageError(
            "A part of an example cannot be selected with this representation, whose entries are "
            f"not those of the file ({tuple(like.x.shape[1:])}, not "
            f"{tuple(like.observed.shape[1:])}). Use an edit of whole examples, such as vary."
        )


def kept_to_the_byte(
    editing: Editing, start: int, index: int, made: np.ndarray, space: Space
) -> np.ndarray:
    """The result with the entries that were not selected as they are in the file.

    In a space in which examples are known only up to a motion, the result stays as it is.
    """
    selected = editing.selected[index - start]
    example = editing.examples[index - start]
    if selected is None or type(space) is not Euclidean or made.shape != example.shape:
        return made
    return np.where(selected, made, example)
