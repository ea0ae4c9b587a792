"""Sampling that begins with examples: their batches, and where their sampling begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..edit import Edit
from ..errors import UsageError
from ..modality import Modality
from ..options import Options
from ..representation import Representation
from ..rng import Streams
from ..space import Space
from ..stage import Stage

SAME = 1e-3
"""Difference, in model units, up to which an entry counts as unchanged."""

SLIGHT = 0.1
"""Share of the largest change up to which an entry counts as unchanged, where all change."""

EDGES = 8
"""Steps in which soft edges come free."""


@dataclass(frozen=True, slots=True)
class Editing:
    """What is done to which examples. Each sequence has one entry for each sample.

    Attributes:
        examples: raw examples.
        selected: where each is to be made anew: an array with the example's axes, each of its length
            or of 1, of truth values or of shares from 0 (kept) to 1; None for everywhere.
        own: condition name -> the examples' own values, as a user writes them.
        others, weights: the second example of each pair, and how far towards it.
        towards: condition name -> for each pair, the value to which the first one's turns on the
            way; others_own: the own values of the second example of each pair.
        seeds: for each result the two seeds between which it lies, where it is made from seeds.
        found: index of a sample -> what the edit has estimated of its example; sampling fills it.
        doubts: index of a sample -> how unlikely it is to the model, where that is asked for;
            sampling fills it.
    """

    edit: Edit
    examples: Sequence[np.ndarray]
    selected: Sequence[np.ndarray | None]
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others: Sequence[np.ndarray] = ()
    weights: Sequence[float] = ()
    towards: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others_own: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seeds: Sequence[tuple[int, int]] = ()
    found: dict[int, Mapping[str, float]] = field(default_factory=dict)
    doubts: dict[int, float] = field(default_factory=dict)


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
    shares = shares_of(editing, start, indices)
    return Batch(x, usual.cond, observed=None if shares is None else shares == 0)


def shares_of(editing: Editing, start: int, indices: Sequence[int]) -> Tensor | None:
    """``[b, ...]``: how much of each raw entry may change, from 0 to 1; None for all of them."""
    marks = [editing.selected[index - start] for index in indices]
    if marks[0] is None:
        return None
    return stacked([np.asarray(mark, np.float32) for mark in marks])


def encoded(representation: Representation, raw: Batch) -> Batch:
    """The raw batch in model units, with the entries that its observed ones decide as observed."""
    like = representation.encode(raw)
    if raw.observed is None:
        return like
    return replace(like, observed=decided(representation, raw, like))


def decided(representation: Representation, raw: Batch, like: Batch) -> Tensor:
    """``[b, ...]``: the entries in model units that the observed raw entries decide.

    Where entries in model units are those of the file, they are the observed ones. Else, as with
    frames of a spectrum, an entry is decided if it stays when the raw entries that are not observed
    change.

    Raises:
        UsageError: every entry depends on what is not observed.
    """
    assert raw.observed is not None
    if like.observed is not None and _fits(like.observed, like.x):
        return like.observed
    changed = _changed(representation, raw, like, 1)
    known = changed <= SAME
    if not known.any():  # the encoder sees the whole, as one does that normalises
        changed = _changed(representation, raw, like, 4)
        known = changed <= SLIGHT * changed.flatten(1).amax(1).view(-1, *(1,) * (like.x.ndim - 1))
    if like.mask is not None:
        known = known & like.mask
    if not known.any():
        raise UsageError(
            "Every entry of the model's representation depends on what is selected, so that nothing "
            "would be kept. Select a smaller part, or use an edit of whole examples, such as vary."
        )
    return known


def softness(
    representation: Representation, raw: Batch, like: Batch, shares: Tensor
) -> Tensor | None:
    """``[b, ...]``: how much of each entry in model units may change; None without soft edges."""
    soft = (shares > 0) & (shares < 1)
    if not soft.any():
        return None
    levels = torch.linspace(0, 1, EDGES + 1)[:-1]
    kept = [
        decided(representation, at, representation.encode(at)).float().expand(like.x.shape)
        for at in (replace(raw, observed=(shares <= level).to(raw.x.device)) for level in levels)
    ]
    return 1 - torch.stack(kept).mean(0)


def _changed(representation: Representation, raw: Batch, like: Batch | None, times: int) -> Tensor:
    """``[b, ...]``: how much entries in model units change when the raw entries that are not
    observed are replaced, at most, several times over.

    Args:
        like: the encoded batch, unless it is to be encoded here.
    """
    like = representation.encode(raw) if like is None else like
    hidden = ~raw.observed.expand(raw.x.shape)  # type: ignore[union-attr]  # there are some
    others = [
        representation.encode(raw.with_x(torch.where(hidden, _different(raw.x, n), raw.x))).x
        for n in range(times)
    ]
    return torch.stack([(like.x - other).abs() for other in others]).amax(0)


def _different(x: Tensor, number: int) -> Tensor:
    """Raw values of the same kind that have nothing to do with ``x``."""
    rng = torch.Generator().manual_seed(number)
    if x.dtype.is_floating_point:
        return (x.mean() + torch.randn(x.shape, generator=rng).to(x)).to(x.dtype)
    info = torch.iinfo(x.dtype)
    drawn = torch.randint(info.min, info.max, x.shape, generator=rng, dtype=torch.int64)
    return drawn.to(x.device, x.dtype)


def _fits(marks: Tensor, x: Tensor) -> bool:
    try:
        return torch.broadcast_shapes(marks.shape, x.shape) == x.shape
    except RuntimeError:
        return False


def stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    """A batch of copies: an example may be a read-only view of a file."""
    return torch.from_numpy(np.stack([np.array(one) for one in arrays]))


def along(representation: Representation, raw: Batch, axes: Sequence[int]) -> list[int]:
    """The axes of the examples in model units that are these axes of a raw example.

    An axis is found by what changes with the first half of the raw entries along it: in model units
    it is the axis of which the last entries stay as they are.

    Raises:
        UsageError: no axis in model units has the places of one of them.
    """
    return [_along(representation, raw, axis + 1) for axis in axes]


def _along(representation: Representation, raw: Batch, axis: int) -> int:
    places = torch.arange(raw.x.shape[axis], device=raw.x.device)
    first = (places < len(places) // 2).reshape(-1, *(1,) * (raw.x.ndim - 1 - axis))
    changed = _changed(representation, replace(raw, observed=~first[None]), None, 1)
    largest = float(changed.amax())
    for found in range(2, changed.ndim):
        line = changed.movedim(found, 0).flatten(1).amax(1)
        if float(line[-max(1, len(line) // 4) :].amax()) < SLIGHT * largest:
            return found
    raise UsageError(
        "This edit works along an axis of the example, and the model's representation has no place "
        "along it. Use a model with another representation, or an edit of whole examples."
    )


def second(editing: Editing, start: int, indices: Sequence[int], like: Batch) -> Batch | None:
    """The second examples of the pairs, as a raw batch like ``like``; None where there are none."""
    if not editing.others:
        return None
    others = [editing.others[index - start] for index in indices]
    if any(other.shape != tuple(like.x.shape[1:]) for other in others):
        raise UsageError(
            f"The two examples have the shapes {tuple(like.x.shape[1:])} and {others[0].shape}. "
            "Bring them to one size: between examples of different sizes there is nothing."
        )
    return Batch(stacked(others), like.cond)


def weights_of(editing: Editing, start: int, indices: Sequence[int], like: Tensor) -> Tensor | None:
    """``[b]``: how far each result lies from the first to the second of its pair."""
    if not editing.edit.pairs:
        return None
    return like.new_tensor([editing.weights[index - start] for index in indices])


def are_entries(representation: Representation, raw: Batch) -> bool:
    """Whether entries in model units are those of the file."""
    marks = torch.ones_like(raw.x, dtype=torch.bool)
    like = representation.encode(replace(raw, observed=marks))
    return like.observed is not None and _fits(like.observed, like.x)


def blank(stage: Stage, seed: int, shape: Options) -> np.ndarray:
    """A raw example of the size of the first sample of a seed."""
    rng = Streams(seed, "template", [0])
    raw = stage.modality.template(stage.description, 1, rng, shape)
    return raw.x[0].numpy() if raw.mask is None else raw.x[0][_real(raw)].numpy()


def _real(raw: Batch) -> tuple[slice, ...]:
    """The part of the only example that is not padding."""
    assert raw.mask is not None
    mask = raw.mask[0].expand(raw.x.shape[1:])
    return tuple(slice(int(places.max()) + 1) for places in mask.nonzero(as_tuple=True))


def ends(
    editing: Editing, start: int, indices: Sequence[int], space: Space, like: Batch
) -> tuple[Tensor, Tensor] | None:
    """The unit noise of the first sample of each of the two seeds of each result, as in sampling;
    None for results that are made from files.
    """
    if not editing.seeds:
        return None

    def noise(which: int) -> Tensor:
        rows = []
        for place, index in enumerate(indices):
            seed = editing.seeds[index - start][which]
            rng = Streams(seed, "sample", [0], device=like.x.device)
            one = like.part(place, 1)
            rows.append(space.noise(one.x.shape, rng, one.mask))
        return torch.cat(rows)

    return noise(0), noise(1)


def require_entries(representation: Representation, raw: Batch) -> None:
    """Raise UsageError unless entries in model units are those of the file."""
    if not are_entries(representation, raw):
        raise UsageError(
            "This edit works on the entries of the file, and the model has another representation. "
            "Use a model of the entries themselves, or other settings of the edit."
        )


def put_back(
    editing: Editing, start: int, index: int, made: np.ndarray, modality: Modality
) -> np.ndarray:
    """The result with the entries that were not selected as they are in the file."""
    selected = editing.selected[index - start]
    if selected is None:
        return made
    return modality.put_back(made, editing.examples[index - start], selected)
