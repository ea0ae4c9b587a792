"""A model file -> Stage, as it was trained or sampled otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import BUILT, Config, config_from_dict
from ..engine.device import choose_device, choose_precision, prepare_process
from ..engine.folder import RunFolder
from ..engine.weights import MODEL, read_about
from ..errors import UsageError
from ..plugin.registry import Registry
from ..stage import Stage
from .adapters import Adapters
from .average import posthoc_average
from .build import Assembly, stage_of
from .parts import make_guidance, make_schedule


def load_stage(
    path: Path,
    registry: Registry,
    *,
    device: str = "auto",
    precision: str = "auto",
    ema: float | None = None,
    overrides: Mapping[str, Any] | None = None,
    config: Config | None = None,
    adapters: Adapters = (),
) -> Stage:
    """A trained model, from its file alone.

    Args:
        path: a ``model.safetensors``.
        ema: relative width of the average to sample from, made now from the run's snapshots beside
            the file.
        overrides: the tables of parts to sample with (``BUILT``), in place of the model's own.
        config: the model's configuration with such changes, if it is resolved already.
        adapters: files of fine-tuning, each with its weight.

    Raises:
        ModelFileError: the file is damaged, foreign, or newer than this program.
        PluginError: a part that the model was made of is not installed.
    """
    on = choose_device(device)
    prepare_process(on)
    average = None if ema is None else posthoc_average(RunFolder(path.parent), ema)
    stage = stage_of(path, registry, on, average=average, adapters=adapters)
    if stage.network is not None:
        stage.network.precision = choose_precision(precision, on)
    if overrides:
        config = _changed(stage.config, registry, overrides)
    if config is not None:
        stage = _sampled_otherwise(stage, registry, config)
    if stage.network is None:
        return stage
    if config is None:
        config = config_from_dict(read_about(path, MODEL)["config"], str(path), registry)
    context = Assembly(registry, on).context(
        stage.description,
        representation=stage.representation,
        process=stage.process,
        denoiser=stage.network,
    )
    return replace(stage, guidance=make_guidance(config, registry, context))


def _changed(tables: Mapping[str, Any], registry: Registry, overrides: Mapping[str, Any]) -> Config:
    """A model's configuration with these tables of parts changed."""
    if strange := set(overrides) - set(BUILT):
        raise UsageError(
            f"{', '.join(sorted(strange))} cannot be changed after training: only "
            f"{', '.join(BUILT)} can."
        )
    merged = {name: _merged(tables.get(name, {}), table) for name, table in overrides.items()}
    return config_from_dict({**tables, **merged}, "--set", registry)


def _sampled_otherwise(stage: Stage, registry: Registry, config: Config) -> Stage:
    """Another sampler, or other levels to visit.

    The network's own time stays that of the schedule it was trained with.
    """
    return replace(
        stage,
        process=replace(stage.process, schedule=make_schedule(config, registry)),
        sampler=registry.load(registry.get("sampler", config.sampler.use)),
        knobs=config.sampler.options.model_dump(),
    )


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Options of another ``use`` fall away with it."""
    return (
        dict(changes)
        if changes.get("use", table.get("use")) != table.get("use")
        else {**table, **changes}
    )
