"""From a name in the configuration to a built part, for every kind that needs no other run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from ..bridge import Bridge
from ..column import Column
from ..conditioner import Conditioner
from ..conditioners.beside import Beside
from ..conditioners.columns import ChannelsColumn
from ..conditioners.mask import MASK
from ..config import NONE, Config, Part
from ..context import Context
from ..denoiser import Denoiser
from ..description import Description
from ..errors import UsageError
from ..guidance.guidance import Guidance
from ..guidance.several import Several
from ..metric import Metric
from ..modality import Modality
from ..nn.backbone import Backbone, Interface
from ..nn.control import Controlled
from ..nn.second_output import SecondOutput
from ..nn.self_conditioning import SelfConditioning
from ..nn.told import WIDTH, Told
from ..objectives.options import CONTROL, ControlOptions
from ..optimizers.optimizer import OptimizerFactory
from ..optimizers.options import OptimizerOptions
from ..plugin.registry import Registry
from ..process.process import Process, Schedule
from ..representation import Representation

Room = Callable[[Callable[[], Backbone]], None]
"""Raises an error if the memory has no room for the network that a function builds."""


def make_modality(config: Config, registry: Registry) -> Modality:
    return build_part(registry, "modality", config.modality)


def make_metric(part: Part, registry: Registry, description: Description) -> Metric:
    return build_part(registry, "metric", part, description)


def make_schedule(config: Config, registry: Registry) -> Schedule:
    return build_part(registry, "schedule", config.schedule)


def make_guidance(config: Config, registry: Registry, context: Context) -> Guidance:
    """The guidances of a configuration as one, in their order."""
    chosen = [part for part in (config.guidance, *config.guidances.values()) if part.use != NONE]
    built = [
        registry.load(registry.get("guidance", part.use)).build(part.options, context)
        for part in chosen
    ]
    return built[0] if len(built) == 1 else Several(built)


def make_optimizer(config: Config, registry: Registry) -> OptimizerFactory:
    part = config.optimizer
    assert isinstance(part.options, OptimizerOptions)  # the registry checks this
    return OptimizerFactory(registry.load(registry.get("optimizer", part.use)), part.options)


def build_process(config: Config, registry: Registry) -> Process:
    """The four parts of a process, each built from those it depends on."""
    schedule = make_schedule(config, registry)
    preconditioning = build_part(registry, "process", config.process, schedule)
    density = build_part(registry, "density", config.density, schedule)
    return Process(
        preconditioning,
        density,
        build_part(registry, "weighting", config.weighting, preconditioning),
        schedule,
    )


def build_denoiser(
    config: Config,
    registry: Registry,
    description: Description,
    representation: Representation,
    process: Process,
    bridge: Bridge | None,
    room: Room | None = None,
    *,
    two_outputs: bool = False,
    told: Sequence[str] = (),
) -> Denoiser:
    """The network with its conditioners.

    Args:
        room: called before the network is built.
        two_outputs: whether the objective needs a second output like the example.
        told: what the objective tells the network beside the noise level (``Objective.told``).
    """
    conditioners = _conditioners(config, registry, description, representation, bridge)
    interface = Interface(
        shape=representation.shape,
        vector=_common_width("vector", {name: c.vector for name, c in conditioners.items()}),
        tokens=_common_width("tokens", {name: c.tokens for name, c in conditioners.items()}),
        channels=sum(c.channels for c in conditioners.values()),
    )
    if told:
        interface = replace(interface, vector=interface.vector or WIDTH)
    own_estimate = SelfConditioning.of(interface) if config.train.self_conditioning else None
    if own_estimate is not None:
        interface = own_estimate.shown(interface)
    second = SecondOutput.of(interface) if two_outputs else None
    if second is not None:
        interface = second.doubled(interface)
    if room:
        room(partial(build_part, registry, "backbone", config.backbone, interface))
    backbone = _build_backbone(config, registry, description, interface)
    denoiser = Denoiser(
        backbone,
        process.preconditioning,
        conditioners,
        self_conditioning=own_estimate,
        second=second,
        told={name: Told(interface.vector) for name in told},
    )
    denoiser.drop_all = config.train.drop_all
    denoiser.degradation = process.preconditioning.degradation(representation.shape)
    if isinstance(process.weighting, nn.Module):
        denoiser.weighting = process.weighting  # learned, moved, averaged and saved with it
    return denoiser


def _conditioners(
    config: Config,
    registry: Registry,
    description: Description,
    representation: Representation,
    bridge: Bridge | None,
) -> dict[str, Conditioner]:
    """What encodes each condition, by its name: those of the data, which may be left open, and
    those of the bridge or of a mask, which are always given.
    """
    own = {c.name for c in bridge.conditions()} if bridge else {MASK}
    of_data = {
        name: _build_conditioner(config, registry, c)
        for name, c in description.conditions.items()
        if name not in own
    }
    for conditioner in of_data.values():
        if isinstance(conditioner, Beside):
            conditioner.sees(representation, getattr(torch, description.dtype))
    width = next((c.vector for c in of_data.values() if c.vector), None)
    return of_data | {
        name: _always_given(registry, c, width)
        for name, c in description.conditions.items()
        if name in own
    }


def _build_backbone(
    config: Config, registry: Registry, description: Description, interface: Interface
) -> Backbone:
    """The network; with a control branch where the objective trains one."""
    if not isinstance(config.objective.options, ControlOptions):
        return build_part(registry, "backbone", config.backbone, interface)
    column = description.conditions.get(CONTROL)
    width = column.width if isinstance(column, ChannelsColumn) else 0
    alone = replace(interface, channels=interface.channels - width)
    network, copy = (
        build_part(registry, "backbone", config.backbone, one) for one in (alone, interface)
    )
    return Controlled(network, copy, interface, width)


def _common_width(signal: str, widths: Mapping[str, int]) -> int:
    """The width of all vectors or tokens: vectors are added, and tokens form one sequence."""
    found = {name: width for name, width in widths.items() if width}
    if len(set(found.values())) > 1:
        shown = ", ".join(f"conditions.{name}.width = {width}" for name, width in found.items())
        raise UsageError(
            f"The {signal} signals of the conditions need one width, but {shown}. Set them to the "
            "same number, because they are combined."
        )
    return next(iter(found.values()), 0)


def _build_conditioner(config: Config, registry: Registry, column: Column) -> Conditioner:
    part = config.conditions.get(column.name)
    if part is None or part.use == NONE:  # the modality's own condition
        part = default_part(registry, column.kind)
    if not isinstance(column, takes := registry.column(part.use)):
        raise UsageError(
            f"conditions.{column.name}.use = {part.use!r} needs a column of kind {takes.kind}, "
            f"but this one is of kind {column.kind}. Use a conditioner for that kind, such as "
            f"{column.kind}."
        )
    return build_part(registry, "conditioner", part, column)


def _always_given(registry: Registry, column: Column, width: int | None) -> Conditioner:
    """The conditioner of a condition that is always given, with vectors as wide as the others."""
    fields = registry.options(registry.get("conditioner", column.kind)).model_fields
    wanted = {"dropout": 0.0, "width": width}
    options = {
        name: value for name, value in wanted.items() if name in fields and value is not None
    }
    return build_part(
        registry, "conditioner", default_part(registry, column.kind, **options), column
    )


def build_part(registry: Registry, kind: str, part: Part, *context: Any) -> Any:
    return registry.load(registry.get(kind, part.use))(part.options, *context)


def default_part(registry: Registry, conditioner: str, **options: Any) -> Part:
    """A conditioner with default options, except for these."""
    return Part(conditioner, registry.options(registry.get("conditioner", conditioner))(**options))
