"""Train a run from a resolved configuration to its end, or plan it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..engine.folder import RunFolder
from ..errors import UsageError
from ..names import local_path
from ..plugin.kinds import NONE
from ..plugin.registry import Registry
from .announce import (
    announce,
    announce_cost,
    conditions_text,
    inherited_text,
    tell_remarks,
    tell_skipped,
)
from .best import score_of
from .ledger import keep_ledger
from .loop import train_steps
from .reporter import Reporter
from .text import command

if TYPE_CHECKING:
    from ..assemble import Assembly
    from ..data.dataset import Dataset
    from ..engine.cost import Cost
    from ..engine.distributed import World
    from ..observer import Observer, Progress
    from ..stage import Stage


def fill_cache(config: Config, parts: Registry, reporter: Reporter) -> None:
    """Decode the data once, before several processes need it."""
    from ..assemble import open_dataset

    open_dataset(config, parts, progress=reporter.counter())


def planned(
    config: Config, parts: Registry, place: Path, fitting: bool, reporter: Reporter
) -> dict[str, Any]:
    """Plan a run below ``place``: build and measure it with a few steps.

    Nothing is written there.
    """
    announce(config, reporter)
    from ..assemble.layers import with_layers_of_init
    from ..engine.cost import step_flops
    from ..engine.plan import dry_run

    assembly = assembly_of(config, parts)
    config, dataset = opened(config, parts, reporter, assembly=assembly)
    config = with_layers_of_init(config, assembly, dataset.description)
    stage = built(config, assembly, dataset, reporter)
    if fitting:
        config, stage = split_to_fit(stage, config, assembly, dataset, reporter)
    cost = foretold(stage, dataset, reporter)
    plan = dry_run(stage, dataset, place)
    flops = step_flops(stage, dataset)  # not before: what it imports takes 80 MB
    preview = plan.pop("preview_bytes")
    return plan | {
        "memory_needed_bytes": cost.memory if cost else None,
        "preview_memory_bytes": cost.state + preview if cost and preview else None,
        "flops_per_example": flops,
        "flops_per_step": flops and flops * stage.settings.train.batch,
    }


def plan_of(
    config: Config, parts: Registry, place: Path, fitting: bool, reporter: Reporter
) -> dict[str, Any]:
    """The plan of ``--dry-run``; the cache that it fills is removed at the end."""
    from ..data.cache import trial_cache  # torch

    with trial_cache():
        return planned(config, parts, place, fitting, reporter)


def run_training(
    config: Config,
    parts: Registry,
    run: Path,
    reporter: Reporter,
    fitting: bool = False,
    *,
    or_next: bool = False,
) -> dict[str, Any]:
    """Train a new run to its end.

    Args:
        fitting: split the batch so that it fits the memory.
        or_next: if another run has taken the name meanwhile, take the next one that is free.
    """
    return finished(new_run(config, parts, run, reporter, fitting, or_next=or_next))


def finished(steps: Generator[Progress, None, dict[str, Any]]) -> dict[str, Any]:
    """Train all steps; returns the result of the run."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def new_run(
    config: Config,
    parts: Registry,
    run: Path,
    reporter: Reporter,
    fitting: bool = False,
    *,
    or_next: bool = False,
) -> Generator[Progress, None, dict[str, Any]]:
    """Train a new run; yields a record after each step. Arguments as for ``run_training``."""
    announce(config, reporter)
    from ..assemble.layers import with_layers_of_init
    from ..engine.distributed import join, leave

    world = join()
    if not world.leads:
        reporter = reporter.muted()
    if fitting and world.size > 1:
        raise UsageError(
            "--batch auto measures the memory of one device. With several devices, give --batch "
            "and --accumulate as numbers."
        )
    try:
        world.share(config.train.batch, config.train.accumulate)
        assembly = assembly_of(config, parts, world.local_rank)
        config, dataset = opened(config, parts, reporter, assembly=assembly)
        best = score_of(config, parts, reporter)
        config = with_layers_of_init(config, assembly, dataset.description)
        stage = built(config, assembly, dataset, reporter)
        if fitting:
            config, stage = split_to_fit(stage, config, assembly, dataset, reporter)
        foretold(stage, dataset, reporter, world.size)
        folder = _folder(world, run, stage, config, dataset) if world.size > 1 else None
        folder = folder or RunFolder.create(
            run,
            config.to_toml(),
            dataset.description,
            dataset.source,
            parts=stage.packages,
            or_next=or_next,
        )
        reporter.say(
            f"Training in {folder.path}; stop with Ctrl-C and resume later with: "
            f"{command('resume', folder.path)}"
        )
        result = yield from train_steps(
            stage,
            dataset,
            folder,
            reporter,
            resume=False,
            world=world,
            observers=make_observers(config, parts),
            score=best,
            account=lambda: keep_ledger(folder, config, parts),
        )
    finally:
        leave()
    return result if world.leads else {}


def _folder(world: World, run: Path, stage: Stage, config: Config, dataset: Any) -> Any:
    """The run's folder. The leading process creates it, and all processes use its path."""
    import torch.distributed as dist

    agreed = [str(run)]
    if world.leads:
        RunFolder.create(
            run, config.to_toml(), dataset.description, dataset.source, parts=stage.packages
        )
    dist.broadcast_object_list(agreed, src=0)
    return RunFolder(Path(agreed[0]))


def opened(
    config: Config,
    registry: Registry,
    reporter: Reporter,
    measured: Mapping[str, Any] | None = None,
    assembly: Assembly | None = None,
) -> tuple[Config, Dataset]:
    """Open the data, and report what it is and what is skipped."""
    from ..assemble import encode_dataset, hold_out, open_dataset, require_examples

    config, dataset = open_dataset(
        config, registry, progress=reporter.counter(), measured=measured, assembly=assembly
    )
    require_examples(dataset)
    reporter.say(
        f"{len(dataset)} example{'s' * (len(dataset) != 1)} from "
        f"{dataset.source}{conditions_text(dataset)}"
    )
    dataset = hold_out(config, dataset, reporter.counter())
    if dataset.held is not None and len(dataset.held):
        reporter.say(f"{len(dataset.held):,} of them are held out (data.holdout)")
    tell_skipped(dataset.skipped, reporter)
    tell_remarks(dataset.remarks, reporter)
    assembly = assembly or assembly_of(config, registry)
    return config, encode_dataset(config, assembly, dataset, reporter.counter())


def assembly_of(
    config: Config, registry: Registry, local_rank: int = 0, model: Path | None = None
) -> Assembly:
    """The assembly that builds the parts of a run on its device.

    Args:
        model: the run's model file, where it has saved one.
    """
    from ..assemble import Assembly
    from ..assemble.borrowed import holder_of
    from ..engine.device import choose_device

    device = choose_device(config.train.device, local_rank)
    return Assembly(registry, device, model or holder_of(config))


def built(
    config: Config, assembly: Assembly, dataset: Dataset, reporter: Reporter, *, fresh: bool = True
) -> Stage:
    """The model on its device; a fresh one starts with the weights of ``train.init``."""
    from ..assemble import build_stage

    stage = build_stage(
        config,
        assembly.registry,
        dataset.description,
        assembly.device,
        dataset.modality,
        assembly=assembly,
    )
    if fresh:
        initialise(stage, config, reporter)
    return stage


def initialise(stage: Stage, config: Config, reporter: Reporter) -> None:
    """Give a fresh model the weights of ``train.init``, if it names a model."""
    from ..assemble.inherit import inherit, inherit_model, require_learnt, require_trained

    if config.train.init:
        inherited = inherit if stage.network is not None else inherit_model
        found = inherited(stage, local_path(config.train.init))
        reporter.say(inherited_text(found, config.train.init))
    elif stage.network is None:
        require_learnt(stage.model)
    elif not (stage.objective and stage.objective.fills):
        require_trained(stage.network)


def foretold(stage: Stage, dataset: Dataset, reporter: Reporter, ranks: int = 1) -> Cost | None:
    """What a step will take; refuses one that the memory cannot hold, and tells of a long one."""
    from ..engine.cost import require_memory, step_cost
    from ..engine.fit import device_of

    cost = step_cost(stage, dataset, ranks)
    if cost is not None:
        require_memory(cost, stage, device_of(stage))
    announce_cost(cost, stage.settings.train, reporter)
    return cost


def make_observers(config: Config, parts: Registry) -> list[Observer]:
    """The observers of the table ``observers``, in its order."""
    chosen = [part for part in config.observers.values() if part.use != NONE]
    return [parts.load(parts.get("observer", part.use))(part.options) for part in chosen]


def split_to_fit(
    stage: Stage, config: Config, assembly: Assembly, dataset: Dataset, reporter: Reporter
) -> tuple[Config, Stage]:
    """``--batch auto``: split the batch into as many parts as the memory requires.

    Measuring trains a few steps, so the model is built again.
    """
    from ..engine.plan import parts_that_fit

    parts = parts_that_fit(stage, dataset)
    batch = config.train.batch
    reporter.say(
        f"batch {batch} in {parts} part{'s' * (parts > 1)} of {batch // parts}, to fit the memory"
    )
    config = config.replace(train=config.train.model_copy(update={"accumulate": parts}))
    return config, built(config, assembly, dataset, reporter)
