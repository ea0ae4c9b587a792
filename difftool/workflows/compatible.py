"""What keeps two stages apart, or an expert and its stage; all faults at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import SHARED
from ..errors import DifftoolError, UsageError
from .model import ModelFile
from .text import flat

if TYPE_CHECKING:
    from ..bridge import Bridge
    from ..column import Column
    from ..config import Config
    from ..description import Description
    from ..plugin.registry import Registry
    from ..process.process import Density, Schedule


@dataclass(frozen=True)
class Described:
    """A stage and the data that it was, or is to be, trained on.

    Attributes:
        level: noise level, in model units, of what it is shown when sampling.
    """

    name: str
    config: Config
    description: Description
    level: float = 0.0


def refuse_strangers(stages: Sequence[Described], parts: Registry) -> None:
    """Refuse stages that do not make what the next one takes; all faults at once, before any weights are made or loaded."""
    faults = list[str]()
    for earlier, stage in pairwise(stages):
        faults += (f"  {stage.name} after {earlier.name}: {told}" for told in _strange_conditions(earlier, stage))
        try:
            if (bridge := bridge_of(stage, parts)) is None:
                raise UsageError("it was trained without a bridge, and can only come first.")
            if stage.config.modality.use != earlier.config.modality.use:
                raise UsageError(f"its data is of the kind {stage.config.modality.use}, and not {earlier.config.modality.use}.")
            bridge.check_compatible(earlier.description)
            if told := beyond(stage.level, bridge):
                raise UsageError(told)
        except DifftoolError as error:
            faults.append(f"  {stage.name} after {earlier.name}: {error}")
    if faults:
        raise UsageError("\n".join(["The stages do not fit together:", *faults]))


def bridge_of(stage: Described, parts: Registry) -> Bridge | None:
    """The stage's bridge, without its network."""
    from ..assemble import make_bridge

    return make_bridge(stage.config, parts, stage.description)


def beyond(level: float, bridge: Bridge) -> str:
    """What to say of a sampling level that training does not draw; "" of one that it does."""
    if level <= bridge.max_aug_level:
        return ""
    return f"level {level:g} is more noise than it is trained with. Ask for 0 to {bridge.max_aug_level:g}, which its bridge draws in training."


def _choices(column: Column) -> list[str]:
    """What the values of a column can be, where they can be listed."""
    return [str(column.show(value)) for value in column.choices()]


def _strange_conditions(earlier: Described, stage: Described) -> Iterator[str]:
    """Conditions of the earlier stage's examples that this one, which has them by name, would not know or take for another thing."""
    for name, condition in earlier.description.conditions.items():
        other = stage.description.conditions.get(name)
        if other is None or not (condition.settable and other.settable):
            continue
        if condition.kind != other.kind:
            yield f"it knows {name} as a {other.kind}, and the earlier one as a {condition.kind}. Train both with one conditions.{name}.use."
        elif missing := [label for label in _choices(condition) if label not in _choices(other)]:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            yield f"it does not know the {name} {', '.join(missing[:5])}{more}. Train both on the same labels."


def require_experts(path: Path, config: Config, experts: Sequence[tuple[float, Path]], parts: Registry) -> None:
    """Refuse to sample a model, with its experts or alone, at levels that it does not know, or beside what is no expert of its own.

    Read from the headers of the model files.

    Args:
        config: the model's, with what sampling is to change in it.

    Raises:
        UsageError: with what does not fit.
    """
    from ..assemble import make_schedule

    refuse_unlike(_met(path, parts), [(below, _met(other, parts)) for below, other in experts], make_schedule(config, parts), parts)


def _met(path: Path, parts: Registry) -> Described:
    """A model as it was trained."""
    model = ModelFile.read(path)
    return Described(model.name, model.config(parts), model.description)


def refuse_unlike(stage: Described, experts: Sequence[tuple[float, Described]], schedule: Schedule, parts: Registry) -> None:
    """Refuse experts that are of other data than their stage, or of levels that they do not serve; all faults at once. Raises UsageError."""
    from ..expert import Turn, untrained_levels

    faults = [f"  {expert.name} for {stage.name}: {fault}" for _, expert in experts for fault in _unlike(stage, expert)]
    if faults:
        raise UsageError("\n".join(["The experts do not fit:", *faults]))
    turns = [Turn(one.name, below, _density(one, parts)) for below, one in ((math.inf, stage), *experts)]
    if told := untrained_levels(schedule, turns):
        beside = (
            "Put it beside a model of the other levels: difftool sample RUN --expert RUN2@LEVEL, where RUN2 takes over below that level."
        )
        raise UsageError(f"{told} {'Choose the levels so that each knows what it serves.' if experts else beside}")


def _density(one: Described, parts: Registry) -> Density:
    from ..assemble import build_process

    try:
        return build_process(one.config, parts).density
    except DifftoolError as error:
        raise UsageError(f"{one.name}: {error}") from None


def _unlike(stage: Described, expert: Described, most: int = 3) -> Iterator[str]:
    """In what an expert is given something else than its stage."""
    tables = [flat({name: getattr(one.config, name).to_dict() for name in SHARED}) for one in (stage, expert)]
    there, here = tables
    keys = [key for key in dict.fromkeys([*there, *here]) if there.get(key) != here.get(key)]
    if keys:
        more = f" and {len(keys) - most} more" if len(keys) > most else ""
        told = ", ".join(f"{key} is {here.get(key)} and not {there.get(key)}" for key in keys[:most])
        yield f"{told}{more}. Both are given the same examples, so that [{'], ['.join(SHARED)}] must agree."
        return
    for name in dict.fromkeys([*stage.description.conditions, *expert.description.conditions]):
        one, other = stage.description.conditions.get(name), expert.description.conditions.get(name)
        if one is None or other is None:
            yield f"{'it alone' if one is None else 'only its stage'} has the condition {name}. Train both with the same."
        elif not one.same_as(other):
            yield f"the condition {name} is another one: its kind, labels or width. Train both on the same."
    shapes = [(one.description.shape, one.description.dtype) for one in (stage, expert)]
    if shapes[0] != shapes[1]:
        yield f"its examples are {shapes[1]} and not {shapes[0]}. Train both on examples of one kind."
    if stage.description.measured != expert.description.measured:
        yield "what was measured of its data is not the same, such as its mean, and so are its model units not. Train both on the same data."
