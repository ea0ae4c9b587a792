"""Data -> Dataset: decoded into the cache, described, and measured for the representation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..column import Column, Value
from ..conditioners.file_column import BesideColumn, FileColumn
from ..conditioners.mask import mask_column
from ..config import AUTO, NONE, Config, Part
from ..data.bound import bounded
from ..data.cache import Cache, Progress
from ..data.columns import automatic, condition, names_of, numeric
from ..data.dataset import Dataset
from ..data.file_values import file_values
from ..data.locate import absolute
from ..data.remark import remarks
from ..description import Description
from ..errors import DataError, UsageError
from ..modality import Item, Modality
from ..names import path_text
from ..objectives.options import CONTROL
from ..plugin.registry import Registry
from ..shell import set_flag
from .aligned import require_files_fit
from .build import Assembly, make_bridge
from .examples import open_examples, source_of
from .measure import measurements
from .parts import default_part
from .room import require_batch
from .tuned import map_column, tuned, tuned_base, with_map

LIGHT = 1 << 26
"""Numbers in a batch that fit any memory."""


def open_dataset(
    config: Config,
    registry: Registry,
    *,
    progress: Progress | None = None,
    measured: Mapping[str, Any] | None = None,
    assembly: Assembly | None = None,
) -> tuple[Config, Dataset]:
    """The data of a config, decoded into the cache, and the config without ``auto`` values.

    Args:
        measured: what the representation and the bridge measured at the start of the run; None to
            measure it now.
        assembly: the assembly of the run.

    Raises:
        DataError: nothing usable, or too much of it unreadable.
    """
    assembly = assembly or Assembly(registry)
    root, modality, cache = open_examples(
        config, registry, progress=progress, before=partial(_require_room, config, assembly)
    )
    config = _settled(config, registry, modality, cache)
    if config.data.path:
        config = config.replace(
            data=config.data.model_copy(update={"path": path_text(absolute(config.data.path))})
        )  # a resume may start elsewhere
    description, values = _described(config, registry, modality, cache, root)
    if (base := tuned_base(config)) is not None:
        description, values = tuned(config, base, description, values)
        measured = base.measured
        if column := map_column(config):
            values[CONTROL] = _maps(column, config, modality, cache, root)
    packs = getattr(config.backbone.options, "pack", False)  # examples of any shapes, side by side
    groups = None if packs else modality.groups(cache.shapes)
    dataset = Dataset(
        cache,
        modality,
        description,
        values,
        source_of(config),
        config.data.bucket,
        groups=groups,
    )
    require_files_fit(config, dataset)
    if measured is None:
        measured = measurements(config, assembly, dataset, progress)
    description = replace(description, measured=measured)
    description = _bridged(config, assembly, description)
    if base is not None:
        represented = assembly.representation(config, description)
        description = with_map(config, represented, description)
    return config, replace(dataset, description=description)


def _bridged(config: Config, assembly: Assembly, description: Description) -> Description:
    """The description with the conditions that depend on the measured representation: those of the
    bridge, or the mask of given entries.
    """
    if config.bridge.use == NONE:
        if config.train.mask != "random":
            return description
        representation = assembly.representation(config, description)
        if not (width := representation.mask_channels):
            raise UsageError(
                "train.mask = random is for examples that are channels on a grid, or points. Leave "
                "it out: this kind of data can be filled without it."
            )
        own = _with_own(description.conditions, [mask_column(width)], "option train.mask")
        return replace(description, conditions=own)
    bridge = make_bridge(
        config,
        assembly.registry,
        description,
        assembly.representation(config, description),
        assembly,
    )
    assert bridge is not None  # one is named
    return replace(
        description,
        conditions=_with_own(
            description.conditions, bridge.conditions(), f"{config.bridge.use} bridge"
        ),
    )


def _require_room(
    config: Config, assembly: Assembly, modality: Modality, items: Sequence[Item]
) -> None:
    """Refuse examples that are too large to train on before all of them are decoded."""
    try:
        with bounded(items[0].path), remarks():
            example = modality.read(items[0])
        sizes, extra, _ = modality.describe(np.array([example.shape]))
    except (DataError, OSError, MemoryError):
        return  # it will be named with the others that cannot be read
    shape = [own if n is None else n for n, own in zip(sizes, example.shape, strict=True)]
    if math.prod(shape) * config.train.batch <= LIGHT:
        return
    description = Description(sizes, example.dtype.name, len(items), {}, extra)
    model = assembly.representation(config, description).shape
    if None not in model:
        require_batch([n for n in model if n], config.train, assembly.device)


def _settled(config: Config, registry: Registry, modality: Modality, cache: Cache) -> Config:
    """The config without ``auto``, with the class of the data as a condition unless it is ``none``."""
    wanted = dict(config.conditions)
    name = automatic(cache.columns)
    if name is not None:
        wanted.setdefault(name, Part(AUTO))
    known = names_of(cache.columns)
    if (base := tuned_base(config)) is not None:
        wanted = {name: part for name, part in wanted.items() if name in base.conditions}
    conditions = {
        name: _chosen_conditioner(part, registry, cache, name) if part.use == AUTO else part
        for name, part in wanted.items()
        if part.use != AUTO or name in known
    }
    return config.replace(
        modality=Part(config.modality.use, modality.settings()), conditions=conditions
    )


def _chosen_conditioner(part: Part, registry: Registry, cache: Cache, name: str) -> Part:
    """The conditioner for a column: number for numbers that are not the class, else label."""
    kind = (
        "number" if numeric(name, cache.columns) and name != automatic(cache.columns) else "label"
    )
    return default_part(registry, kind, **part.options.model_dump(exclude_none=True))


def _described(
    config: Config, registry: Registry, modality: Modality, cache: Cache, root: Path
) -> tuple[Description, dict[str, Any]]:
    shape, extra, own = modality.describe(cache.shapes)
    found, values = dict[str, Column](), {}
    known = names_of(cache.columns)
    for name, part in config.conditions.items():
        if part.use != NONE and (name in known or tuned_base(config) is None):
            kind = registry.column(part.use)
            found[name], values[name] = condition(name, kind, cache.columns, part.options)
            if isinstance(column := found[name], FileColumn):
                found[name], values[name] = file_values(
                    column, values[name], modality, root, config.modality.use
                )
    conditions = _with_own(found, own, f"{config.modality.use} modality")
    if config.train.mask == "random" and config.bridge.use != NONE:
        raise UsageError(
            "train.mask = random is for models that make examples from noise. Leave it out: this "
            "model refines the samples of another."
        )
    return Description(
        shape, cache.dtype.name, len(cache), conditions, extra, cache.content
    ), values


def _maps(
    column: str, config: Config, modality: Modality, cache: Cache, root: Path
) -> Sequence[Value]:
    """The file of each example that a control branch learns to follow."""
    kind, names = condition(column, BesideColumn, cache.columns)
    assert isinstance(kind, BesideColumn)
    if not all(names):
        raise DataError(
            f"Some examples name no file in the column {column}. Name a map for each of them."
        )
    return file_values(kind, names, modality, root, config.modality.use)[1]


def _with_own(found: Mapping[str, Column], own: Iterable[Column], owner: str) -> dict[str, Column]:
    """The conditions of the data together with those that a part of the model sets."""
    both = dict(found)
    for c in own:
        if c.name in both:
            raise DataError(
                f"The column {c.name!r} has the name of a condition that the {owner} sets. Rename "
                "the column, or leave it out with "
                f"{set_flag(('conditions', c.name, 'use'), 'none')}."
            )
        both[c.name] = c
    return both


def require_examples(dataset: Dataset) -> None:
    """Refuse too few examples. One is enough if training takes random parts of it."""
    parts = zip(dataset.cache.shapes[0], dataset.description.shape, strict=True)
    if len(dataset) < 2 and not any(part is not None and size > part for size, part in parts):
        raise DataError(
            f"{dataset.source} holds {len(dataset)} usable examples. Add some: training needs at "
            "least 2."
        )
