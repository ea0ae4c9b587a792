"""Data -> Dataset: decoded into the cache, described, and measured for the representation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..batch import Batch
from ..bridge import Bridge
from ..column import Column, Value
from ..conditioners.columns import text_of
from ..conditioners.file_column import BesideColumn, FileColumn
from ..conditioners.mask import mask_column
from ..config import AUTO, NONE, Config, Part
from ..data.bound import bounded
from ..data.cache import Cache, Progress, cache_path, fingerprint, listing, open_cache
from ..data.columns import automatic, condition, names_of, numeric
from ..data.dataset import Dataset
from ..data.file_values import file_values, found_files
from ..data.locate import absolute, locate
from ..data.order import Order
from ..data.remark import remarks
from ..description import Description
from ..errors import DataError, UsageError
from ..extent import MEASURED, Extent
from ..files import building, write_text
from ..modality import Item, Modality
from ..names import path_text
from ..objectives.options import CONTROL
from ..plugin.registry import Registry
from ..rng import Stream
from ..shell import set_flag
from .aligned import require_files_fit
from .build import Assembly, fingerprint_of, identity_of, make_bridge
from .parts import build_process, default_part, make_modality
from .room import require_batch
from .tuned import map_column, tuned, tuned_base, with_map

SOME = 512
"""Number of examples that a representation or a bridge measures, drawn as in training."""

LIGHT = 1 << 26
"""Numbers in a batch that fit any memory."""

ENTRIES = 1 << 27
"""Most numbers in these examples: 47 minutes of mono at 48 kHz, which take seconds to measure."""


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
    found = _measured(config, assembly, dataset) if measured is None else measured
    description = replace(description, measured=found)
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


def open_examples(
    config: Config,
    registry: Registry,
    *,
    progress: Progress | None = None,
    before: Callable[[Modality, Sequence[Item]], None] = lambda modality, items: None,
) -> tuple[Path, Modality, Cache]:
    """The path of a config's data, the modality without ``auto`` values, and the cached examples.

    Args:
        before: called before examples are decoded, unless all of them are cached.

    Raises:
        DataError: nothing usable, or too much of it unreadable.
    """
    modality = make_modality(config, registry)
    with remarks() as texts:
        path = (
            data_folder(config, registry, config.data.path)
            if config.data.path
            else demo_folder(config.modality.use, modality).absolute()
        )
        items = _without_named(modality.scan(path), config, registry, path)
    listed = listing(items, path)
    modality = _fitted(config, registry, modality, items, listed)
    if lacking := _facts_wanted(config, items):
        items = [_with_facts(item, lacking, modality) for item in items]
        listed = listing(items, path)
    cache = open_cache(
        modality,
        items,
        path,
        config.modality.use,
        max_bad=config.data.max_bad,
        progress=progress,
        listed=listed,
        before=lambda: before(modality, items),
    )
    cache.remarks = [*((path, text) for text in texts), *cache.remarks]
    return path, modality, cache


def _facts_wanted(config: Config, items: Sequence[Item]) -> set[str]:
    """The conditions that no column of the data has: the files themselves may say them."""
    wanted = {name for name, part in config.conditions.items() if part.use not in (NONE, AUTO)}
    return wanted.difference(*(item.columns for item in items)) if wanted else wanted


def _with_facts(item: Item, names: set[str], modality: Modality) -> Item:
    """The example with what its file says under these names."""
    try:
        facts = modality.facts(item)
    except DataError:
        return item  # it will be named with the others that cannot be read
    known = {name: value for name, value in facts.items() if name in names}
    return replace(item, columns={**item.columns, **known})


def _without_named(
    items: Sequence[Item], config: Config, registry: Registry, root: Path
) -> Sequence[Item]:
    """The examples without files that steer others: what is named in a column of files."""
    columns = _file_columns(config, registry)
    named = {
        path.resolve()
        for name in columns
        for path in found_files(name, (text_of(item.columns.get(name, "")) for item in items), root)
    }
    return [item for item in items if item.path.resolve() not in named] if named else items


def _file_columns(config: Config, registry: Registry) -> list[str]:
    """The columns that name files."""
    own = [
        name
        for name, part in config.conditions.items()
        if part.use not in (NONE, AUTO) and registry.column(part.use).files
    ]
    return [*own, column] if (column := map_column(config)) else own


def data_folder(config: Config, registry: Registry, path: str) -> Path:
    """The local folder of the data at a path, by the config's source or the one for such paths."""
    return locate(path, registry, config.source.use, config.source.options)


def source_of(config: Config) -> str:
    """The name of a config's data in messages."""
    return absolute(config.data.path) if config.data.path else f"the {config.modality.use} demo set"


def missing_data(config: Config) -> Path | None:
    """The path of a config's data if nothing is there; None for data of another kind than files."""
    path = absolute(config.data.path or "")
    return None if not config.data.path or "://" in path or Path(path).exists() else Path(path)


def _measured(config: Config, assembly: Assembly, dataset: Dataset) -> Mapping[str, Any]:
    """The measurements of the representation and the bridge, cached so that all processes agree."""
    description, parts = (
        dataset.description,
        {"representation": config.representation, "bridge": config.bridge},
    )
    representation = assembly.representation(config, description)
    weights = fingerprint_of(representation)
    about = [
        __version__,
        *([weights] if weights else []),
        *(
            identity_of(assembly.registry, kind, part)
            for kind, part in parts.items()
            if part.use != NONE
        ),
        config.modality.options.model_dump(mode="json"),
        description.to_json(),
    ]
    process = build_process(config, assembly.registry)
    if limits := process.preconditioning.amplifies(process.schedule.sigma_max):
        about.append(MEASURED)
    note = cache_path(
        f"measured/{blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()}.json"
    )
    with suppress(FileNotFoundError, ValueError):
        return json.loads(note.read_text(encoding="utf-8"))
    found = representation.measure(
        batch.map(lambda t: t.to(assembly.device)) for batch in _some_batches(dataset)
    )
    if config.bridge.use != NONE:
        seen = replace(description, measured=found)
        bridge = make_bridge(
            config, assembly.registry, seen, assembly.representation(config, seen), assembly
        )
        assert bridge is not None  # one is named
        found = {**found, **bridge.measure(_some_batches(dataset))}
    if limits:
        seen = replace(description, measured=found)
        found = {**found, MEASURED: _extent(config, assembly, dataset, seen).to_json()}
    if found:
        write_text(note, json.dumps(found))
    return found


def _extent(
    config: Config, assembly: Assembly, dataset: Dataset, description: Description
) -> Extent:
    """The extent of encoded examples, as the network is trained on them."""
    representation = assembly.representation(config, description)
    bridge = make_bridge(config, assembly.registry, description, representation, assembly)
    found = []
    for raw in _some_batches(dataset):
        raw = raw.map(lambda t: t.to(assembly.device))
        batch = representation.encode(raw) if bridge is None else _refined(bridge, raw)
        square = representation.space.mean_square(batch.x, batch.mask).max()
        found.append([square.sqrt().item(), batch.x.min().item(), batch.x.max().item()])
    rms, low, high = zip(*found, strict=True)
    return Extent(max(rms), min(low), max(high))


def _refined(bridge: Bridge, raw: Batch) -> Batch:
    """Examples as a stage that refines is trained on them, without noise on its input."""
    device = raw.x.device
    level = torch.zeros(len(raw), device=device)
    return bridge.encode(bridge.degrade(raw), raw, level, Stream(0, "measure", device=device))


def _some_batches(dataset: Dataset) -> Iterator[Batch]:
    """Batches to measure; fewer and smaller ones if examples are large."""
    largest = dataset.cache.shapes.max(0).tolist()
    entries = math.prod(
        most if n is None else n for n, most in zip(dataset.description.shape, largest, strict=True)
    )
    size, order = min(32, max(1, ENTRIES // 16 // entries)), Order(len(dataset), seed=0)
    for at in range(0, min(SOME, max(size, ENTRIES // entries)), size):
        yield dataset.batch(order.indices(at, size), Stream(0, "measure", at))


def _fitted(
    config: Config, registry: Registry, modality: Modality, items: Sequence[Item], listed: str
) -> Modality:
    """The modality without ``auto`` values. They are cached: ``fit`` may open a million files."""
    use = config.modality.use
    note = cache_path(f"settled/{fingerprint(modality, use, listed)[:20]}.json")
    with suppress(FileNotFoundError, ValueError):  # an invalid file is written again
        options = registry.options(registry.modality(use)).model_validate_json(
            note.read_text(encoding="utf-8")
        )
        return make_modality(config.replace(modality=Part(use, options)), registry)
    fitted = modality.fit(items)
    if fitted.settings() != modality.settings():
        write_text(note, fitted.settings().model_dump_json())
    return fitted


def demo_folder(name: str, modality: Modality) -> Path:
    """The folder of the modality's demo set, written on first use."""
    folder = cache_path(f"demo/{name}")
    if not folder.exists():
        with building(folder) as partial:
            modality.demo(partial)
    return folder


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
