"""Experts of a stage: runs that replace it below a noise level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE, NONE, dict_layer, gather, resolve
from ..config.cascade import StageLayers, unit_name
from ..config.config import ENGINE
from ..config.gather import PROJECT_FILE
from ..errors import ConfigError, UsageError
from .model import model_path, plain_config
from .plan import StagePlan
from .warm_start import started

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..plugin.registry import Registry


def experts_of(
    stage: StagePlan, written: StageLayers, parts: Registry, modality: str | None, kept: bool
) -> tuple[StagePlan, ...]:
    """The experts of a stage, resolved.

    Each is trained from its ``below`` down to that of the next expert, unless its settings differ.

    Raises:
        ConfigError: the faults of all experts.
    """
    levels = [expert.below for expert in written.experts]
    found, faults = list[StagePlan](), list[str]()
    for expert in written.experts:
        if levels.count(expert.below) > 1:
            faults.append(
                f"expert {expert.name}: another expert has below = {expert.below:g} as well, so "
                "one of them would never be used"
            )
            continue
        low = max((level for level in levels if level < expert.below), default=0.0)
        try:
            found.append(
                _trained(stage, expert, parts)
                if expert.run
                else _resolved(stage, expert, low, parts, modality, kept)
            )
        except ConfigError as error:
            faults += error.faults
        except UsageError as error:
            faults.append(f"expert {expert.name}: {error}")
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    return tuple(found)


def _trained(stage: StagePlan, written: StageLayers, parts: Registry) -> StagePlan:
    """An expert that is a run or a model."""
    path = model_path(written.run).absolute()
    if not (before := plain_config(path)):
        raise UsageError(
            f"run = {written.run!r} is not a difftool model. Name a trained run or its model file."
        )
    if changes := [(layer, name) for layer in written.own for name in layer.data]:
        raise ConfigError(
            [
                (
                    f"{layer.where((name,))}: [{name}] cannot be changed, because the expert is "
                    f"trained already by run = {written.run!r}"
                )
                for layer, name in changes
            ]
        )
    config = resolve(None, [dict_layer(before, str(path))], parts)
    return StagePlan(
        unit_name(stage.name, written.name), config, model=path, of=stage.name, below=written.below
    )


def _resolved(
    stage: StagePlan,
    expert: StageLayers,
    low: float,
    parts: Registry,
    modality: str | None,
    kept: bool,
) -> StagePlan:
    layers = [
        *(expert.layers if stage.model is None else _over_model(stage.model, expert)),
        _range(expert, low),
    ]
    use = None if stage.model else modality

    def resolved(*over: Layer) -> Config:
        return resolve(
            use,
            gather(
                parts,
                use,
                project=None if kept or stage.model else PROJECT_FILE,
                over=over,
                own=layers,
            ),
            parts,
        )

    branches = "init" not in _written(expert, "train")
    config = resolved()
    if not kept and not (
        branches and stage.model
    ):  # the settings of a model are complete, and the model it started from may be gone
        config = started(config, resolved)
    if branches:
        config = config.replace(train=config.train.model_copy(update={"init": ""}))
        _refuse_other_network(stage, expert, config)
    return StagePlan(
        unit_name(stage.name, expert.name),
        config,
        of=stage.name,
        below=expert.below,
        branches=branches,
    )


def _written(expert: StageLayers, table: str) -> dict[str, Any]:
    """The settings of one table that belong to this expert alone."""
    settings = dict[str, Any]()
    for layer in expert.own:
        found = layer.data.get(table)
        settings |= found if isinstance(found, Mapping) else {}
    return settings


def _range(expert: StageLayers, low: float) -> Layer:
    """The noise levels to train an expert on, where its own settings do not name any."""
    density = _written(expert, "density")
    levels = {"low": low, "high": expert.below}
    return dict_layer(
        {"density": {key: value for key, value in levels.items() if key not in density}},
        f"below of the expert {expert.name}",
    )


def _over_model(path: Path, expert: StageLayers) -> list[Layer]:
    """The layers of an expert over the settings of its stage's model.

    Of the settings for all stages, only those of training and sampling apply.
    """

    def taken(layer: Layer) -> Layer:
        own = any(layer is one for one in expert.own)
        return (
            layer
            if own
            else replace(
                layer,
                data={
                    name: table
                    for name, table in layer.data.items()
                    if name in (*ENGINE, *CHANGEABLE)
                },
            )
        )

    return [
        dict_layer({"recipe": NONE, **plain_config(path)}, str(path)),
        *map(taken, expert.layers),
    ]


def _refuse_other_network(stage: StagePlan, expert: StageLayers, config: Config) -> None:
    """Raise UsageError where the weights of the stage do not fit the network of its expert."""
    for table in ("backbone", "process"):
        there, here = getattr(stage.config, table).use, getattr(config, table).use
        if there != here:
            raise UsageError(
                f"it cannot start from the weights of its stage, whose {table} is {there}, because its own is {here}. "
                'Write init into its [stage.expert.train]: a run, or "" to start without weights'
            )
