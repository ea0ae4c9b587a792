"""Whether two stages fit together, and an expert and its stage; all faults at once."""

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
class DescribedStage:
    """A stage and the description of its training data.

    Attributes:
        level: noise level, in model units, that sampling adds to its input.
    """

    name: str
    config: Config
    description: Description
    level: float = 0.0


def refuse_strangers(stages: Sequence[DescribedStage], parts: Registry) -> None:
    """Raise UsageError where a stage cannot refine the samples of the one before it; all faults at
    once, before any weights are created or loaded.
    """
    faults = list[str]()
    for earlier, stage in pairwise(stages):
        faults += (
            f"  {stage.name} after {earlier.name}: {fault}"
            for fault in _strange_conditions(earlier, stage)
        )
        try:
            if (bridge := bridge_of(stage, parts)) is None:
                raise UsageError(
                    "it was trained without a bridge, so it can only be the first stage."
                )
            if stage.config.modality.use != earlier.config.modality.use:
                raise UsageError(
                    f"its modality is {stage.config.modality.use}, not "
                    f"{earlier.config.modality.use}."
                )
            bridge.check_compatible(earlier.description)
            check_level(stage.level, bridge)
        except DifftoolError as error:
            faults.append(f"  {stage.name} after {earlier.name}: {error}")
    if faults:
        raise UsageError("\n".join(["The stages do not fit together:", *faults]))


def bridge_of(stage: DescribedStage, parts: Registry) -> Bridge | None:
    """The stage's bridge, without its network."""
    from ..assemble import make_bridge

    return make_bridge(stage.config, parts, stage.description)


def check_level(level: float, bridge: Bridge, prefix: str = "", suffix: str = "") -> None:
    """Raise UsageError for a sampling level that training does not draw."""
    if level > bridge.max_aug_level:
        raise UsageError(
            f"{prefix}level {level:g} is more noise than it is trained with. Choose a level from "
            f"0 to {bridge.max_aug_level:g}, the range that its bridge draws in training.{suffix}"
        )


def _choices(column: Column) -> list[str]:
    """The possible values of a column, where they can be listed."""
    return [str(column.show(value)) for value in column.choices()]


def _strange_conditions(earlier: DescribedStage, stage: DescribedStage) -> Iterator[str]:
    """Faults for conditions that both stages have by name, but with other kinds or labels."""
    for name, condition in earlier.description.conditions.items():
        other = stage.description.conditions.get(name)
        if other is None or not (condition.settable and other.settable):
            continue
        if condition.kind != other.kind:
            yield (
                f"{name} is a {other.kind} in it and a {condition.kind} in the earlier stage. "
                f"Train both with the same conditions.{name}.use."
            )
        elif missing := [label for label in _choices(condition) if label not in _choices(other)]:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            yield (
                f"it does not know the {name} {', '.join(missing[:5])}{more}. Train both on the "
                "same labels."
            )


def require_experts(
    path: Path, config: Config, experts: Sequence[tuple[float, Path]], parts: Registry
) -> None:
    """Check that a model and its experts fit together and cover the noise levels of sampling.

    Only the headers of the model files are read.

    Args:
        config: the settings of the model, with the changes that sampling makes.

    Raises:
        UsageError: they do not fit.
    """
    from ..assemble import make_schedule

    refuse_unlike(
        _described(path, parts),
        [(below, _described(other, parts)) for below, other in experts],
        make_schedule(config, parts),
        parts,
    )


def _described(path: Path, parts: Registry) -> DescribedStage:
    """A model with the settings of its training."""
    model = ModelFile.read(path)
    return DescribedStage(model.name, model.config(parts), model.description)


def refuse_unlike(
    stage: DescribedStage,
    experts: Sequence[tuple[float, DescribedStage]],
    schedule: Schedule,
    parts: Registry,
) -> None:
    """Raise UsageError for experts with other data than their stage, or untrained levels."""
    from ..expert import ServedRange, untrained_levels  # torch

    faults = [
        f"  {expert.name} for {stage.name}: {fault}"
        for _, expert in experts
        for fault in _unlike(stage, expert)
    ]
    if faults:
        raise UsageError("\n".join(["The experts do not fit:", *faults]))
    ranges = [
        ServedRange(one.name, below, _density(one, parts))
        for below, one in ((math.inf, stage), *experts)
    ]
    if reason := untrained_levels(schedule, ranges):
        fix = (
            "Choose the levels so that each model is used only where it was trained."
            if experts
            else "Combine it with a model of the other levels: difftool sample RUN --expert "
            "RUN2@LEVEL, where RUN2 takes over below that level."
        )
        raise UsageError(f"{reason} {fix}")


def _density(one: DescribedStage, parts: Registry) -> Density:
    from ..assemble import build_process

    try:
        return build_process(one.config, parts).density
    except DifftoolError as error:
        raise UsageError(f"{one.name}: {error}") from None


def _unlike(stage: DescribedStage, expert: DescribedStage, most: int = 3) -> Iterator[str]:
    """The differences between the data of an expert and of its stage."""
    tables = [
        flat({name: getattr(one.config, name).to_dict() for name in SHARED})
        for one in (stage, expert)
    ]
    there, here = tables
    keys = [key for key in dict.fromkeys([*there, *here]) if there.get(key) != here.get(key)]
    if keys:
        more = f" and {len(keys) - most} more" if len(keys) > most else ""
        differing = ", ".join(
            f"{key} is {here.get(key)}, not {there.get(key)}" for key in keys[:most]
        )
        yield (
            f"{differing}{more}. Use the same [{'], ['.join(SHARED)}], because both get the same "
            "examples."
        )
        return
    for name in dict.fromkeys([*stage.description.conditions, *expert.description.conditions]):
        one, other = stage.description.conditions.get(name), expert.description.conditions.get(name)
        if one is None or other is None:
            yield (
                f"{'it alone' if one is None else 'only its stage'} has the condition {name}. "
                "Train both with the same conditions."
            )
        elif not one.same_as(other):
            yield (
                f"the condition {name} has another kind, other labels or another width. Train "
                "both on the same."
            )
    shapes = [(one.description.shape, one.description.dtype) for one in (stage, expert)]
    if shapes[0] != shapes[1]:
        yield (
            f"its examples are {shapes[1]}, not {shapes[0]}. Train both on examples of one shape "
            "and type."
        )
    if stage.description.measured != expert.description.measured:
        yield (
            "the statistics of its data, such as the mean, are different, so its model units are "
            "different. Train both on the same data."
        )
