"""A trained stage in its place in a chain, and what is requested of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .model import ModelFile
from .request import Request

if TYPE_CHECKING:
    from ..bridge import Bridge
    from ..config import Config
    from ..options import Options

Conditions = Mapping[str, str | float | None]
"""The conditions of one example, as a user writes them; None for one that is not given."""


@dataclass(frozen=True)
class ChainStage:
    """A trained stage in its place.

    Attributes:
        model: the header of its model file; no weights are read yet.
        config: the settings of the model, with those of the request over them.
        shape: the modality's own options of the request, such as a size.
        bridge: to the stage before it; None for a stage that refines nothing.
        request: what the user requests of all stages.
        cond: the requested values of its conditions, by their names.
        negative: what samples shall not be, in the same form.
        level: noise level, in model units, that is added to what it refines.
        agree: whether samples have to agree with what it refines, because no model made it.
        place: the number of a stage that refines among those of its cascade, from 1.
        experts: model files, each with the level below which it takes over.
    """

    name: str
    model: ModelFile
    config: Config
    shape: Options
    bridge: Bridge | None
    request: Request
    cond: Mapping[str, list[str]] = field(default_factory=dict)
    level: float = 0.0
    agree: bool = False
    place: int = 1
    experts: Sequence[tuple[float, Path]] = ()
    negative: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def settable(self) -> list[str]:
        """The conditions that a user or an earlier stage can set."""
        own = own_conditions(self.bridge)
        columns = self.model.description.conditions
        return [name for name, column in columns.items() if name not in own and column.settable]


def own_conditions(bridge: Bridge | None) -> set[str]:
    """The names of the conditions that a bridge sets."""
    return {condition.name for condition in bridge.conditions()} if bridge else set()


def passed_on(stage: ChainStage, conds: Sequence[Conditions]) -> dict[str, list[str]]:
    """The conditions of the examples that a stage refines, for its own samples.

    Sample ``i`` takes value ``i mod n`` of a condition, so the values are rotated by the first
    index.
    """
    found = dict[str, list[str]]()
    for name in stage.settable:
        if all(name in cond for cond in conds):
            texts = ["none" if (value := cond[name]) is None else str(value) for cond in conds]
            shift = stage.request.start % len(texts)
            found[name] = texts[len(texts) - shift :] + texts[: len(texts) - shift]
    return found
