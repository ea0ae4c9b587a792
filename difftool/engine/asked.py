"""The conditions of samples: those that are asked for, and those that are drawn from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..column import Column, Value
from ..conditioners.file_column import FileColumn
from ..conditioners.mask import MASK
from ..data.file_values import read_value
from ..denoiser import D
from ..errors import UsageError
from ..guidance.asked import Asked
from ..guidance.conjunction import Conjunction
from ..rng import generator
from ..stage import Stage
from .control import controlled
from .sample_request import SampleRequest
from .wishes import Wish, joined, parts_of, value_of, wish

ALL = "all"


def settable_conditions(stage: Stage) -> dict[str, Column]:
    own = given_conditions(stage)
    return {
        name: stage.description.conditions[name]
        for name in stage.denoiser.conditioners
        if name not in own
    }


def given_conditions(stage: Stage) -> set[str]:
    """The conditions of the bridge, the mask of given entries, and the map of a control branch: users
    cannot give them by value, and guidance does not drop them.
    """
    if stage.bridge is None:
        return ({MASK} & set(stage.description.conditions)) | controlled(stage)
    return {c.name for c in stage.bridge.conditions()} | controlled(stage)


def values_of(stage: Stage, name: str, texts: Sequence[str]) -> Sequence[Wish]:
    known = settable_conditions(stage)
    if name not in known:
        able = (
            ", ".join(column.name for column in known.values() if column.settable)
            or "none: it was trained without conditions"
        )
        raise UsageError(f"The model has no condition {name!r}. It has: {able}.")
    column = known[name]
    if (
        list(texts) == [ALL]
        and (choices := column.choices())
        and ALL not in map(column.show, choices)
    ):
        return choices
    return [wish(column, text) for text in texts]


def rows_of(stage: Stage, column: Column, values: Sequence[Value]) -> Tensor:
    """The input of a conditioner for values; files that a user names are read. Raises DataError."""
    if isinstance(column, FileColumn):
        read = {v: read_value(column, v, stage.modality) for v in set(values) if v is not None}
        values = [None if v is None else read[v] for v in values]
    return torch.from_numpy(column.batch(values))


def in_turn(chosen: Sequence[Wish], indices: Sequence[int]) -> list[Wish]:
    return [chosen[index % len(chosen)] for index in indices]


def asked_values(
    column: Column, chosen: Sequence[Wish] | None, indices: Sequence[int], seed: int
) -> list[Wish]:
    """The condition's value for each sample: the given values in turn, else drawn from the data."""
    if chosen is not None:
        return in_turn(chosen, indices)
    return [_drawn(column, seed, index) for index in indices]


def _drawn(column: Column, seed: int, index: int) -> Value:
    u = torch.rand(
        (), generator=generator(seed, f"condition {column.name}", index=index), dtype=torch.float64
    ).item()
    return column.draw(u)


def own_tensors(
    stage: Stage,
    given: Mapping[str, Sequence[str]],
    request: SampleRequest,
    indices: Sequence[int],
    like: Batch,
) -> dict[str, Tensor]:
    """Conditions of which each sample of a request has a text of its own, for some samples."""
    columns, found = settable_conditions(stage), {}
    for name, texts in given.items():
        values = values_of(stage, name, texts)
        own = [value_of(values[index - request.start]) for index in indices]
        found[name] = rows_of(stage, columns[name], own).to(like.x.device)
    return found


def as_asked(
    stage: Stage,
    request: SampleRequest,
    indices: Sequence[int],
    denoisers: list[D],
    device: torch.device,
) -> list[D]:
    """The denoisers with the request's negative values and values of several parts."""
    columns, kept = settable_conditions(stage), given_conditions(stage)

    def tensor(name: str, values: Sequence[Value]) -> Tensor:
        return rows_of(stage, columns[name], values).to(device)

    negative = {
        name: tensor(name, in_turn(values_of(stage, name, texts), indices))
        for name, texts in request.negative.items()
    }
    chosen = {name: values_of(stage, name, texts) for name, texts in request.cond.items()}
    conjunction = None
    if name := joined(chosen):
        parts, weights = parts_of(columns[name], in_turn(chosen[name], indices))
        conjunction = Conjunction(
            name, [tensor(name, part) for part in parts], torch.tensor(weights, device=device)
        )
    if not negative and conjunction is None:
        return denoisers
    return [Asked(denoiser, negative, conjunction, kept) for denoiser in denoisers]
