"""From a resolved configuration to built objects: the one place where names become code."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import __version__
from .batch import Batch
from .bridge import Bridge
from .column import Column
from .conditioner import Conditioner
from .config import AUTO, NONE, Config, Part, config_from_dict
from .context import Context
from .data.cache import Cache, Progress, fingerprint, listing, open_cache, place
from .data.columns import automatic, condition, names_of, numeric
from .data.dataset import Dataset
from .data.locate import absolute, locate
from .data.order import Order
from .data.remark import remarks
from .denoiser import Denoiser
from .description import Description
from .engine.device import choose_device, choose_precision
from .engine.ema import posthoc_weights
from .engine.folder import RunFolder
from .engine.weights import MODEL, SNAPSHOT, load_weights, read_about
from .errors import DataError, ModelFileError, UsageError
from .files import building, write_text
from .metric import Metric
from .modality import Item, Modality
from .nn.backbone import Backbone, Interface
from .nn.frozen import require_frozen
from .objective import Objective
from .optimizers.optimizer import OptimizerFactory
from .optimizers.options import OptimizerOptions
from .plugin.registry import Registry
from .process.process import Process, Schedule
from .representation import Representation
from .rng import Stream, key
from .sampler import Sampler
from .settings import Settings
from .stage import Stage


def make_modality(config: Config, registry: Registry) -> Modality:
    return _build(registry, "modality", config.modality)


def make_metric(part: Part, registry: Registry, description: Description) -> Metric:
    return _build(registry, "metric", part, description)


def make_representation(config: Config, registry: Registry, description: Description) -> Representation:
    return _build(registry, "representation", config.representation, description)


def make_schedule(config: Config, registry: Registry) -> Schedule:
    return _build(registry, "schedule", config.schedule)


def make_optimizer(config: Config, registry: Registry) -> OptimizerFactory:
    part = config.optimizer
    assert isinstance(part.options, OptimizerOptions)  # the registry holds every optimizer's options to it
    return OptimizerFactory(registry.load(registry.get("optimizer", part.use)), part.options)


def make_bridge(
    config: Config, registry: Registry, description: Description, representation: Representation | None = None
) -> Bridge | None:
    """What hands an earlier stage's examples on to this one; None where there is no earlier one."""
    if config.bridge.use == NONE:
        return None
    return _build(registry, "bridge", config.bridge, description, representation or make_representation(config, registry, description))


MEASURED = 512
"""Examples that a representation or a bridge is shown to measure what it needs; many are parts of longer ones, drawn as in training."""

ENTRIES = 1 << 27
"""Numbers in them, at most: 47 minutes of mono at 48 kHz, which take seconds to measure."""


def open_dataset(
    config: Config, registry: Registry, *, progress: Progress | None = None, measured: Mapping[str, Any] | None = None
) -> tuple[Config, Dataset]:
    """The data that a config names, decoded into the cache, and the config with everything settled that the data decides.

    Args:
        measured: what the representation and the bridge measured when the run began; None to measure it now.

    Raises:
        DataError: nothing usable, or too much of it unreadable.
    """
    _, modality, cache = open_examples(config, registry, progress=progress)
    config = _settled(config, registry, modality, cache)
    if config.data.path:
        config = config.replace(data=config.data.model_copy(update={"path": absolute(config.data.path)}))  # it is saved, and read again from elsewhere
    description, values = _described(config, registry, modality, cache)
    dataset = Dataset(cache, modality, description, values, source_of(config), config.data.bucket)
    found = _measured(config, registry, dataset) if measured is None else measured
    description = replace(description, measured=found)
    return config, replace(dataset, description=_bridged(config, registry, description))


def _bridged(config: Config, registry: Registry, description: Description) -> Description:
    """With the conditions that the bridge sets, which hang on the representation and so on what was measured."""
    bridge = make_bridge(config, registry, description)
    if bridge is None:
        return description
    return replace(description, conditions=_with_own(description.conditions, bridge.conditions(), f"{config.bridge.use} bridge"))


def open_examples(config: Config, registry: Registry, *, progress: Progress | None = None) -> tuple[Path, Modality, Cache]:
    """Where the data that a config names lies, the modality settled on it, and the examples, decoded into the cache.

    Raises:
        DataError: nothing usable, or too much of it unreadable.
    """
    modality = make_modality(config, registry)
    with remarks() as said:
        path = data_folder(config, registry, config.data.path) if config.data.path else demo_folder(config.modality.use, modality).absolute()
        items = modality.scan(path)
    listed = listing(items, path)
    modality = _fitted(config, registry, modality, items, listed)
    cache = open_cache(modality, items, path, config.modality.use, max_bad=config.data.max_bad, progress=progress, listed=listed)
    cache.remarks = [*((path, text) for text in said), *cache.remarks]
    return path, modality, cache


def data_folder(config: Config, registry: Registry, path: str) -> Path:
    """Where the data at a path lies on this machine, by the source that the config names or that takes such paths."""
    return locate(path, registry, config.source.use, config.source.options)


def source_of(config: Config) -> str:
    """What to call a config's data when speaking to a person."""
    return absolute(config.data.path) if config.data.path else f"the {config.modality.use} demo set"


def _measured(config: Config, registry: Registry, dataset: Dataset) -> Mapping[str, Any]:
    """What the representation and the bridge need to know of the data; it is kept, so that every process of a run has the very same numbers."""
    description, parts = dataset.description, {"representation": config.representation, "bridge": config.bridge}
    about = [
        __version__,
        *(_identity(registry, kind, part) for kind, part in parts.items() if part.use != NONE),
        config.modality.options.model_dump(mode="json"),
        description.to_json(),
    ]
    note = place(f"measured/{blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()}.json")
    with suppress(FileNotFoundError, ValueError):
        return json.loads(note.read_text(encoding="utf-8"))
    found = make_representation(config, registry, description).measure(_some_batches(dataset))
    if bridge := make_bridge(config, registry, replace(description, measured=found)):
        found = {**found, **bridge.measure(_some_batches(dataset))}
    if found:
        write_text(note, json.dumps(found))
    return found


def _identity(registry: Registry, kind: str, part: Part) -> list[Any]:
    """What tells a part from others: its package, its name, its settings."""
    return [registry.provider(registry.get(kind, part.use)).package, part.use, part.options.model_dump(mode="json")]


def _some_batches(dataset: Dataset) -> Iterator[Batch]:
    """Fewer examples, and fewer at once, where each of them is large and says as much as many."""
    largest = dataset.cache.shapes.max(0).tolist()
    entries = math.prod(most if n is None else n for n, most in zip(dataset.description.shape, largest, strict=True))
    size, order = min(32, max(1, ENTRIES // 16 // entries)), Order(len(dataset), seed=0)
    for at in range(0, min(MEASURED, max(size, ENTRIES // entries)), size):
        yield dataset.batch(order.indices(at, size), Stream(0, "measure", at))


def _fitted(config: Config, registry: Registry, modality: Modality, items: Sequence[Item], listed: str) -> Modality:
    """The modality settled on the items. What it found is kept: it may have opened every one of a million files to find it."""
    use = config.modality.use
    note = place(f"settled/{fingerprint(modality, use, listed)[:20]}.json")
    with suppress(FileNotFoundError, ValueError):  # a note that says nothing valid any more is written anew
        options = registry.options(registry.modality(use)).model_validate_json(note.read_text(encoding="utf-8"))
        return _build(registry, "modality", Part(use, options))
    fitted = modality.fit(items)
    if fitted.settings() != modality.settings():
        write_text(note, fitted.settings().model_dump_json())
    return fitted


def demo_folder(name: str, modality: Modality) -> Path:
    """The modality's demo set as files, written on first use."""
    folder = place(f"demo/{name}")
    if not folder.exists():
        with building(folder) as partial:
            modality.demo(partial)
    return folder


def _settled(config: Config, registry: Registry, modality: Modality, cache: Cache) -> Config:
    """No ``auto`` is left: the modality's settings, and the conditions, among them the data's evident class unless it is ``none``."""
    wanted = dict(config.conditions)
    name = automatic(cache.columns)
    if name is not None:
        wanted.setdefault(name, Part(AUTO))
    known = names_of(cache.columns)
    conditions = {
        name: _chosen_conditioner(part, registry, cache, name) if part.use == AUTO else part
        for name, part in wanted.items()
        if part.use != AUTO or name in known
    }
    return config.replace(modality=Part(config.modality.use, modality.settings()), conditions=conditions)


def _chosen_conditioner(part: Part, registry: Registry, cache: Cache, name: str) -> Part:
    """What suits the column: a label for the data's evident class, be its names numbers or not; else a number for numbers."""
    kind = "number" if numeric(name, cache.columns) and name != automatic(cache.columns) else "label"
    return default_part(registry, kind, **part.options.model_dump(exclude_none=True))


def default_part(registry: Registry, conditioner: str, **options: Any) -> Part:
    """A conditioner with its defaults, except for these options."""
    return Part(conditioner, registry.options(registry.get("conditioner", conditioner))(**options))


def _described(config: Config, registry: Registry, modality: Modality, cache: Cache) -> tuple[Description, dict[str, Any]]:
    shape, extra, own = modality.describe(cache.shapes)
    found, values = dict[str, Column](), {}
    for name, part in config.conditions.items():
        if part.use != NONE:
            found[name], values[name] = condition(name, registry.column(part.use), cache.columns)
    conditions = _with_own(found, own, f"{config.modality.use} modality")
    return Description(shape, cache.dtype.name, len(cache), conditions, extra, cache.content), values


def _with_own(found: Mapping[str, Column], own: Iterable[Column], owner: str) -> dict[str, Column]:
    """The data's conditions, and those that a part of the model sets itself."""
    both = dict(found)
    for c in own:
        if c.name in both:
            raise DataError(
                f"The column {c.name!r} has the name of a condition that the {owner} sets itself. "
                f"Rename the column, or leave it out with --set conditions.{c.name}.use=none."
            )
        both[c.name] = c
    return both


def build_stage(
    config: Config,
    registry: Registry,
    description: Description,
    device: torch.device,
    modality: Modality | None = None,
    *,
    learns: bool = True,
) -> Stage:
    """Every part of a model, its network freshly initialised from the config's seed and on the device.

    Args:
        learns: whether it is to be trained. What only samples needs no objective, which may open other runs.
    """
    modality = modality or make_modality(config, registry)
    representation = make_representation(config, registry, description)
    bridge = make_bridge(config, registry, description, representation)
    process = build_process(config, registry)
    generative = registry.load(registry.get("objective", config.objective.use)).generative
    denoiser = None
    if generative:
        torch.manual_seed(key(config.train.seed, "weights"))
        denoiser = _build_denoiser(config, registry, description, representation, process, bridge).to(device)
        denoiser.precision = choose_precision(config.train.precision, device)
    sampler: Sampler = registry.load(registry.get("sampler", config.sampler.use))
    objective: Objective | None = None
    if learns or not generative:
        torch.manual_seed(key(config.train.seed, "objective"))
        context = Context(description, device, partial(open_frozen, registry=registry, device=device), representation, process, denoiser)
        objective = _build(registry, "objective", config.objective, context).to(device)
    optimizer = make_optimizer(config, registry)
    knobs = config.sampler.options.model_dump()
    settings = Settings(config.train, config.ema, config.guidance, config.sample)
    about = config.to_dict()
    return Stage(modality, representation, process, denoiser, objective, optimizer, sampler, knobs, description, about, settings, bridge)


def open_frozen(path: str | Path, registry: Registry, device: torch.device) -> Stage:
    """Another run, or a model file, as a stage that no longer learns: in eval mode, on the device, without gradients."""
    place = Path(path).expanduser()
    stage = load_stage(place / "model.safetensors" if place.is_dir() else place, registry, device=str(device))
    model = _model_of(stage)
    model.eval().requires_grad_(False)
    return stage


def _model_of(stage: Stage) -> nn.Module:
    """What the stage's model file holds."""
    if stage.network is not None:
        return stage.network
    assert stage.objective is not None
    return stage.objective.model


def build_process(config: Config, registry: Registry) -> Process:
    """The four columns, each built from what it depends on."""
    schedule = make_schedule(config, registry)
    preconditioning = _build(registry, "process", config.process, schedule)
    density = _build(registry, "density", config.density, schedule)
    return Process(preconditioning, density, _build(registry, "weighting", config.weighting, preconditioning), schedule)


def _build_denoiser(
    config: Config, registry: Registry, description: Description, representation: Representation, process: Process, bridge: Bridge | None
) -> Denoiser:
    own = {c.name for c in bridge.conditions()} if bridge else set()
    conditioners = {name: _build_conditioner(config, registry, c) for name, c in description.conditions.items() if name not in own}
    width = next((c.vector for c in conditioners.values() if c.vector), None)
    conditioners |= {name: _always_given(registry, c, width) for name, c in description.conditions.items() if name in own}
    interface = Interface(
        shape=representation.shape,
        vector=_common_width("vector", {name: c.vector for name, c in conditioners.items()}),
        tokens=_common_width("tokens", {name: c.tokens for name, c in conditioners.items()}),
        channels=sum(c.channels for c in conditioners.values()),
    )
    backbone: Backbone = _build(registry, "backbone", config.backbone, interface)
    return Denoiser(backbone, process.preconditioning, conditioners)


def _common_width(signal: str, widths: Mapping[str, int]) -> int:
    """Vectors are added and tokens laid in one sequence, so those that exist are of one width."""
    found = {name: width for name, width in widths.items() if width}
    if len(set(found.values())) > 1:
        shown = ", ".join(f"conditions.{name}.width = {width}" for name, width in found.items())
        raise UsageError(f"The {signal} signals of several conditions are combined and need one width, but {shown}. Give all the same.")
    return next(iter(found.values()), 0)


def _build_conditioner(config: Config, registry: Registry, column: Column) -> Conditioner:
    part = config.conditions.get(column.name)
    if part is None or part.use == NONE:  # of a column that is left out there is no condition: this one is the modality's own
        part = default_part(registry, column.kind)
    if not isinstance(column, takes := registry.column(part.use)):
        raise UsageError(
            f"conditions.{column.name}.use = {part.use!r} takes a column of the kind {takes.kind}, and this one is of the kind {column.kind}. "
            f"Use a conditioner for that, such as {column.kind}."
        )
    return _build(registry, "conditioner", part, column)


def _always_given(registry: Registry, column: Column, width: int | None) -> Conditioner:
    """Of a condition that training never leaves open; its vector, where it has one, is as wide as the others."""
    fields = registry.options(registry.get("conditioner", column.kind)).model_fields
    wanted = {"dropout": 0.0, "width": width}
    options = {name: value for name, value in wanted.items() if name in fields and value is not None}
    return _build(registry, "conditioner", default_part(registry, column.kind, **options), column)


def _build(registry: Registry, kind: str, part: Part, *context: Any) -> Any:
    return registry.load(registry.get(kind, part.use))(part.options, *context)


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
        overrides: the tables ``sampler`` and ``schedule`` to sample with, in place of the model's own.

    Raises:
        ModelFileError: the file is damaged, foreign, or newer than this program.
        PluginError: a part that the model was made of is not installed.
    """
    tensors, about = load_weights(path, MODEL)
    config = config_from_dict(about["config"], str(path), registry)
    on = choose_device(device)
    stage = build_stage(config, registry, Description.from_json(about["description"]), on, learns=False)
    if stage.network is not None:
        stage.network.precision = choose_precision(precision, on)
    if ema is not None:
        tensors |= posthoc_average(RunFolder(path.parent), ema)
    _fill(_model_of(stage), tensors, path)
    require_frozen(_model_of(stage))
    return _sampled_otherwise(stage, config, registry, overrides) if overrides else stage


def _sampled_otherwise(stage: Stage, config: Config, registry: Registry, overrides: Mapping[str, Any]) -> Stage:
    """Another sampler, or other levels to visit; the network's own time stays that of the schedule it was trained with."""
    if strange := set(overrides) - {"sampler", "schedule"}:
        raise UsageError(f"{', '.join(sorted(strange))} cannot be changed after training: only sampler and schedule can.")
    tables = config.to_dict()
    merged = {name: _merged(tables[name], table) for name, table in overrides.items()}
    config = config_from_dict({**tables, **merged}, "--set", registry)
    return replace(
        stage,
        process=replace(stage.process, schedule=make_schedule(config, registry)),
        sampler=registry.load(registry.get("sampler", config.sampler.use)),
        knobs=config.sampler.options.model_dump(),
    )


def _merged(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Options of another ``use`` fall away with it."""
    return dict(changes) if changes.get("use", table["use"]) != table["use"] else {**table, **changes}


def _fill(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(f"{path} does not hold the weights that its own config describes: {error}") from None


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
    columns = [(path, about["step"] * batch, w) for path, about in zip(paths, headers, strict=True) for w in widths]
    weights = posthoc_weights([(seen, w) for _, seen, w in columns], columns[-1][1], width)
    total: dict[str, Tensor] = {}
    for (path, _, w), weight in zip(columns, weights, strict=True):
        prefix = f"power-{w:g}."
        for name, tensor in load_weights(path, SNAPSHOT)[0].items():
            if name.startswith(prefix):
                own = name.removeprefix(prefix)
                total[own] = total.get(own, 0.0) + float(weight) * tensor.float()
    return total


def require_examples(dataset: Dataset) -> None:
    """Refuse what cannot be trained on. One example is enough where random parts of it are."""
    parts = zip(dataset.cache.shapes[0], dataset.description.shape, strict=True)
    if len(dataset) < 2 and not any(part is not None and size > part for size, part in parts):
        raise DataError(f"{dataset.source} holds {len(dataset)} usable example; a model needs at least 2. Add some.")
