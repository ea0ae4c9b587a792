"""Experts: runs that serve in place of another where there is less noise, in a cascade's file and on the command line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE, NONE, SHARED
from ..config.cascade import Outline, unit_name
from ..config.config import ENGINE
from ..config.gather import PROJECT_FILE
from ..errors import ConfigError, DifftoolError, UsageError
from .init import started
from .runs import flat
from .stages import CascadeStage, Met
from .wish import model_path, plain_config

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..expert import Expert
    from ..plugin.registry import Registry
    from ..process.process import Density, Schedule
    from .wish import Wish


# --- in a cascade's file ---


def experts_of(stage: CascadeStage, outline: Outline, parts: Registry, modality: str | None, kept: bool) -> tuple[CascadeStage, ...]:
    """The experts of a stage, resolved: each is trained from its ``below`` down to the next one's, unless it says otherwise.

    Raises:
        ConfigError: with the faults of all of them.
    """
    levels = [expert.below for expert in outline.experts]
    found, faults = list[CascadeStage](), list[str]()
    for expert in outline.experts:
        if levels.count(expert.below) > 1:
            faults.append(f"expert {expert.name}: another one is below {expert.below:g} as well, and one of them would never serve")
            continue
        low = max((level for level in levels if level < expert.below), default=0.0)
        try:
            found.append(_trained(stage, expert, parts) if expert.run else _resolved(stage, expert, low, parts, modality, kept))
        except ConfigError as error:
            faults += error.faults
        except UsageError as error:
            faults.append(f"expert {expert.name}: {error}")
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    return tuple(found)


def _trained(stage: CascadeStage, outline: Outline, parts: Registry) -> CascadeStage:
    """An expert that is a run or a model."""
    from ..config import dict_layer, resolve

    path = model_path(outline.run).expanduser().absolute()
    if not (before := plain_config(path)):
        raise UsageError(f"run = {outline.run!r} is no model of difftool's; name a run that has trained, or its model file.")
    if said := [(layer, name) for layer in outline.own for name in layer.data]:
        raise ConfigError(
            [
                f"{layer.where((name,))}: {name} is settled, as the expert is trained already by run = {outline.run!r}"
                for layer, name in said
            ]
        )
    config = resolve(None, [dict_layer(before, str(path))], parts)
    return CascadeStage(unit_name(stage.name, outline.name), config, model=path, of=stage.name, below=outline.below)


def _resolved(stage: CascadeStage, expert: Outline, low: float, parts: Registry, modality: str | None, kept: bool) -> CascadeStage:
    from ..config import gather, resolve

    layers = [*(expert.layers if stage.model is None else _over_model(stage.model, expert)), _range(expert, low)]
    use = None if stage.model else modality

    def resolved(*over: Layer) -> Config:
        return resolve(use, gather(parts, use, project=None if kept or stage.model else PROJECT_FILE, over=over, own=layers), parts)

    branches = "init" not in _said(expert, "train")
    config = resolved()
    if not kept and not (branches and stage.model):  # a model's settings are whole, and what it began from may be gone
        config = started(config, resolved)
    if branches:
        config = config.replace(train=config.train.model_copy(update={"init": ""}))
        _refuse_other_network(stage, expert, config)
    return CascadeStage(unit_name(stage.name, expert.name), config, of=stage.name, below=expert.below, branches=branches)


def _said(expert: Outline, table: str) -> dict[str, Any]:
    """What is said to an expert alone in a table."""
    said = dict[str, Any]()
    for layer in expert.own:
        found = layer.data.get(table)
        said |= found if isinstance(found, Mapping) else {}
    return said


def _range(expert: Outline, low: float) -> Layer:
    """The levels that an expert serves, to train on, where nothing is said of them to itself."""
    from ..config import dict_layer

    said = _said(expert, "density")
    levels = {"low": low, "high": expert.below}
    return dict_layer({"density": {key: value for key, value in levels.items() if key not in said}}, f"below of the expert {expert.name}")


def _over_model(path: Path, expert: Outline) -> list[Layer]:
    """An expert's layers over the settings of its stage's model; of what is said to all it takes how to train and to sample."""
    from ..config import dict_layer

    def taken(layer: Layer) -> Layer:
        own = any(layer is one for one in expert.own)
        return layer if own else replace(layer, data={name: table for name, table in layer.data.items() if name in (*ENGINE, *CHANGEABLE)})

    return [dict_layer({"recipe": NONE, **plain_config(path)}, str(path)), *map(taken, expert.layers)]


def _refuse_other_network(stage: CascadeStage, expert: Outline, config: Config) -> None:
    """Weights mean nothing to another network, or to one that is spoken to otherwise."""
    for table in ("backbone", "process"):
        there, here = getattr(stage.config, table).use, getattr(config, table).use
        if there != here:
            raise UsageError(
                f"it would start from the weights of its stage, whose {table} is {there}, and its own is {here}. Say in its [stage.expert.train] "
                'what it starts from: init = "" for nothing, or a run'
            )


# --- what fits together ---


def parsed_experts(words: Sequence[str]) -> tuple[tuple[float, Path], ...]:
    """``RUN@LEVEL`` words -> the level below which each takes over, and its model file. Raises UsageError."""
    found = dict[float, Path]()
    for word in words:
        run, at, text = word.rpartition("@")
        try:
            level = float(text)
        except ValueError:
            level = math.nan
        if not at or not run or not 0 < level < math.inf:
            raise UsageError(
                f"--expert {word}: is not of the form RUN@LEVEL, such as runs/fine@0.5: the run takes over below that noise level."
            )
        if level in found:
            raise UsageError(f"--expert {word}: another one takes over below {level:g} as well, and one of them would never serve.")
        found[level] = model_path(run)
    return tuple(found.items())


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


def loaded_experts(wish: Wish, parts: Registry) -> Iterator[Expert]:
    """The experts that a wish names, on its device."""
    from ..assemble import load_stage
    from ..expert import Expert

    for below, path in wish.experts:
        loaded = load_stage(path, parts, device=wish.device, precision=wish.precision, ema=wish.ema)
        yield Expert(below, loaded.denoiser, loaded.process.density)


def known_levels(path: Path) -> tuple[float, float]:
    """The ends of the range that a model was trained on, 0 for one that is open."""
    density = plain_config(path).get("density", {})
    return density.get("low", 0.0), density.get("high", 0.0)


def _met(path: Path, parts: Registry) -> Met:
    """A model as it was trained."""
    from ..config import config_from_dict
    from ..description import Description
    from ..engine.weights import MODEL, read_about

    about = read_about(path, MODEL)
    name = str(path.parent if path.name == "model.safetensors" else path)
    return Met(name, config_from_dict(about["config"], str(path), parts), Description.from_json(about["description"]))


def refuse_unlike(stage: Met, experts: Sequence[tuple[float, Met]], schedule: Schedule, parts: Registry) -> None:
    """Refuse experts that are of other data than their stage, or of levels that they do not serve; all faults at once. Raises UsageError."""
    from ..expert import Turn, unlearnt

    faults = [f"  {expert.name} for {stage.name}: {fault}" for _, expert in experts for fault in _unlike(stage, expert)]
    if faults:
        raise UsageError("\n".join(["The experts do not fit:", *faults]))
    turns = [Turn(one.name, below, _density(one, parts)) for below, one in ((math.inf, stage), *experts)]
    if told := unlearnt(schedule, turns):
        beside = (
            "Put it beside a model of the other levels: difftool sample RUN --expert RUN2@LEVEL, where RUN2 takes over below that level."
        )
        raise UsageError(f"{told} {'Choose the levels so that each knows what it serves.' if experts else beside}")


def _density(one: Met, parts: Registry) -> Density:
    from ..assemble import build_process

    try:
        return build_process(one.config, parts).density
    except DifftoolError as error:
        raise UsageError(f"{one.name}: {error}") from None


def _unlike(stage: Met, expert: Met, most: int = 3) -> Iterator[str]:
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
        elif (one.kind, one.names, one.width) != (other.kind, other.names, other.width):
            yield f"the condition {name} is another one: its kind, labels or width. Train both on the same."
    shapes = [(one.description.shape, one.description.dtype) for one in (stage, expert)]
    if shapes[0] != shapes[1]:
        yield f"its examples are {shapes[1]} and not {shapes[0]}. Train both on examples of one kind."
    if stage.description.measured != expert.description.measured:
        yield "what was measured of its data is not the same, such as its mean, and so are its model units not. Train both on the same data."
