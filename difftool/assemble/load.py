"""A model file -> Stage, as it was trained or sampled otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ..config import BUILT, config_from_dict
from ..engine.device import choose_device, choose_precision
from ..engine.ema import posthoc_weights
from ..engine.folder import RunFolder
from ..engine.weights import SNAPSHOT, load_weights, read_about
from ..errors import UsageError
from ..plugin.registry import Registry
from ..stage import Stage
from .build import stage_of
from .parts import make_guidance, make_schedule


def load_stage(
    path: Path,
    registry: Registry,
    *,
    device: str = "auto",
    precision: str = "auto",
    ema: float | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Stage:
    """A trained model, from its file alone.

    Args:
        path: a ``model.safetensors``.
        ema: relative width of the average to sample from, made now from the run's snapshots beside the file.
        overrides: the tables of parts to sample with (``BUILT``), in place of the model's own.

    Raises:
        ModelFileError: the file is damaged, foreign, or newer than this program.
        PluginError: a part that the model was made of is not installed.
    """
    on = choose_device(device)
    average = None if ema is None else posthoc_average(RunFolder(path.parent), ema)
    stage = stage_of(path, registry, on, average=average)
    if stage.network is not None:
        stage.network.precision = choose_precision(precision, on)
    return _sampled_otherwise(stage, registry, overrides) if overrides else stage


def _sampled_otherwise(stage: Stage, registry: Registry, overrides: Mapping[str, Any]) -> Stage:
    """Another sampler, other guidance, or other levels to visit; the network's own time stays that of the schedule it was trained with."""
    if strange := set(overrides) - set(BUILT):
        raise UsageError(
            f"{', '.join(sorted(strange))} cannot be changed after training: only {', '.join(BUILT)} can."
        )
    tables = stage.config
    merged = {name: _merged(tables.get(name, {}), table) for name, table in overrides.items()}
    config = config_from_dict({**tables, **merged}, "--set", registry)
    return replace(
        stage,
        process=replace(stage.process, schedule=make_schedule(config, registry)),
        sampler=registry.load(registry.get("sampler", config.sampler.use)),
        knobs=config.sampler.options.model_dump(),
        guidance=make_guidance(config, registry),
    )


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Options of another ``use`` fall away with it."""
    return (
        dict(changes)
        if changes.get("use", table.get("use")) != table.get("use")
        else {**table, **changes}
    )


def posthoc_average(folder: RunFolder, width: float) -> dict[str, Tensor]:
    """The power-function average of any relative width, from a run's snapshots (Karras et al. 2024, App. C.2)."""
    paths = folder.snapshots()
    if not paths:
        raise UsageError(
            f"{folder.path} has no snapshots to make an average of width {width:g} from. Train with --set ema.power=[0.05,0.1] "
            "--set ema.snapshot_every=N to be able to choose the width afterwards."
        )
    headers = [read_about(path, SNAPSHOT) for path in paths]
    batch, widths = headers[-1]["config"]["train"]["batch"], headers[-1]["config"]["ema"]["power"]
    columns = [
        (path, about["step"] * batch, w)
        for path, about in zip(paths, headers, strict=True)
        for w in widths
    ]
    weights = posthoc_weights([(seen, w) for _, seen, w in columns], columns[-1][1], width)
    total: dict[str, Tensor] = {}
    for (path, _, w), weight in zip(columns, weights, strict=True):
        prefix = f"power-{w:g}."
        for name, tensor in load_weights(path, SNAPSHOT)[0].items():
            if name.startswith(prefix):
                own = name.removeprefix(prefix)
                total[own] = total.get(own, 0.0) + float(weight) * tensor.float()
    return total
