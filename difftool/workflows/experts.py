"""Experts of a stage: runs that serve in its place where there is less noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE, NONE, dict_layer, gather, resolve
from ..config.cascade import Outline, unit_name
from ..config.config import ENGINE
from ..config.gather import PROJECT_FILE
from ..errors import ConfigError, UsageError
from .model import model_path, plain_config
from .plan import CascadeStage
from .warm_start import started

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..plugin.registry import Registry


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
    said = _said(expert, "density")
    levels = {"low": low, "high": expert.below}
    return dict_layer({"density": {key: value for key, value in levels.items() if key not in said}}, f"below of the expert {expert.name}")


def _over_model(path: Path, expert: Outline) -> list[Layer]:
    """An expert's layers over the settings of its stage's model; of what is said to all it takes how to train and to sample."""
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
