"""Train a run from a resolved configuration to its end, or plan it."""

from __future__ import annotations

import os
import shlex
import sys
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config, project_note
from ..engine.folder import RunFolder, new_run_path
from ..errors import LAUNCHED, Interrupted, RunExistsError, Terminated, UsageError
from ..names import local_path
from ..plugin.kinds import NONE
from ..plugin.registry import Registry
from ..report import write_report
from .reporter import Reporter
from .text import command, line

if TYPE_CHECKING:
    from ..assemble import Assembly
    from ..assemble.inherit import Inherited
    from ..data.dataset import Dataset
    from ..engine.distributed import World
    from ..observer import Observer, Progress
    from ..stage import Stage


def fill_cache(config: Config, parts: Registry, reporter: Reporter) -> None:
    """Decode the data once, before several processes need it."""
    from ..assemble import open_dataset

    open_dataset(config, parts, progress=reporter.counter())


def refuse_used(run: Path | None) -> None:
    """Raise RunExistsError where the folder of a new run is not empty."""
    if run is not None and run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise RunExistsError(
            (
                f"{run} already exists and is not empty; nothing in it was changed. Choose another "
                "--run"
            )
            + (
                f", or go on with that run: {command('resume', run)}"
                if (run / "config.toml").is_file()
                else "."
            )
        )


def announce(config: Config, reporter: Reporter) -> None:
    """Say that a run uses the demo set. Of several processes, only the first one prints."""
    if not config.data.path and _rank() == "0":
        reporter.say(
            f"No DATA was given. The built-in demo set of the modality {config.modality.use} is "
            "used."
        )


def announce_project(reporter: Reporter) -> None:
    """Say once that the project file is used; of several processes, the one that the user started."""
    started_by_us = os.environ.get("TORCHELASTIC_RUN_ID") == LAUNCHED
    if (note := project_note()) and not started_by_us and _rank() == "0":
        reporter.say(note)


def _rank() -> str:
    return os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0"


def data_path(text: str) -> Path:
    """DATA as an absolute path. Links keep their names, except where ``..`` makes them matter."""
    path = local_path(text).absolute()
    return path.resolve() if ".." in path.parts else path


def new_path(config: Config) -> Path:
    return new_run_path(data_name(config.data.path, config.modality.use))


def data_name(data: str | None, modality: str) -> str:
    """A name for the run or cascade that is trained on some data."""
    if not data:
        return f"{modality}-demo"
    path = data_path(data)
    return (path.stem if path.is_file() else path.name) or modality


def planned(
    config: Config, parts: Registry, place: Path, fitting: bool, reporter: Reporter
) -> dict[str, Any]:
    """Plan a run below ``place``: build and measure it with a few steps.

    Nothing is written there.
    """
    announce(config, reporter)
    from ..assemble.layers import with_layers_of_init
    from ..engine.plan import dry_run

    assembly = assembly_of(config, parts)
    config, dataset = opened(config, parts, reporter, assembly=assembly)
    config = with_layers_of_init(config, assembly, dataset.description)
    stage = built(config, assembly, dataset, reporter)
    if fitting:
        config, stage = split_to_fit(stage, config, assembly, dataset, reporter)
    return dry_run(stage, dataset, place)


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
        config = with_layers_of_init(config, assembly, dataset.description)
        stage = built(config, assembly, dataset, reporter)
        if fitting:
            config, stage = split_to_fit(stage, config, assembly, dataset, reporter)
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
    from ..assemble import encode_dataset, open_dataset, require_examples

    config, dataset = open_dataset(
        config, registry, progress=reporter.counter(), measured=measured, assembly=assembly
    )
    require_examples(dataset)
    reporter.say(
        f"{len(dataset)} example{'s' * (len(dataset) != 1)} from "
        f"{dataset.source}{_conditions(dataset)}"
    )
    _tell_skipped(dataset.skipped, reporter)
    _tell_remarks(dataset.remarks, reporter)
    assembly = assembly or assembly_of(config, registry)
    return config, encode_dataset(config, assembly, dataset, reporter.counter())


def _conditions(dataset: Dataset) -> str:
    found = [
        f"{c.name} ({n} labels)" if (n := len(c.choices())) else c.name
        for c in dataset.description.conditions.values()
    ]
    return f", conditions: {', '.join(found)}" if found else ", no conditions"


def _tell_skipped(skipped: list[tuple[Path, str]], reporter: Reporter, most: int = 10) -> None:
    if skipped:
        reporter.say(f"{len(skipped)} skipped because they cannot be used:")
        for path, reason in skipped[:most]:
            reporter.say(f"  {reason if str(path) in reason else f'{path}: {reason}'}")
        if len(skipped) > most:
            reporter.say(
                f"  … and {len(skipped) - most} more; `difftool data check` lists them all"
            )


def _tell_remarks(
    remarks: list[tuple[Path, str]], reporter: Reporter, most: int = 3, lines: int = 10
) -> None:
    """Report each remark once, with its files."""
    paths_of: dict[str, list[Path]] = {}
    for path, text in remarks:
        paths_of.setdefault(text, []).append(path)
    for text, paths in list(paths_of.items())[:lines]:
        more = f" and {len(paths) - most} more, all in the run's log" if len(paths) > most else ""
        reporter.say(
            f"{len(paths)} file{'s are' if len(paths) > 1 else ' is'} used, with a remark: {text} "
            f"({', '.join(map(str, paths[:most]))}{more})"
        )
    if len(paths_of) > lines:
        reporter.say(f"… and {len(paths_of) - lines:,} more remarks, all in the run's log")


def assembly_of(
    config: Config, registry: Registry, local_rank: int = 0, model: Path | None = None
) -> Assembly:
    """The assembly that builds the parts of a run on its device.

    Args:
        model: the run's model file, where it has saved one.
    """
    from ..assemble import Assembly
    from ..engine.device import choose_device

    return Assembly(registry, choose_device(config.train.device, local_rank), model)


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
    from ..assemble.inherit import inherit, require_trained

    if fresh and not config.train.init:
        if stage.network is not None:
            require_trained(stage.network)
    elif fresh:
        found = inherit(stage, local_path(config.train.init))
        reporter.say(_inherited(found, config.train.init))
    return stage


def _inherited(found: Inherited, source: str, most: int = 6) -> str:
    """What a new model starts with, and what of the other one it leaves behind."""
    text = f"Starts with {found.taken:,} of its {found.total:,} numbers from {source}"
    if found.new:
        text += f"; new: {', '.join(found.new)}"
    if found.left:
        shown = [f"{part} ({count:,})" for part, count in list(found.left.items())[:most]]
        if len(found.left) > most:
            shown.append(f"{len(found.left) - most} more parts")
        text += (
            f". Not taken over: {sum(found.left.values()):,} of that model's numbers, in "
            f"{', '.join(shown)}"
        )
    return text


def make_observers(config: Config, parts: Registry) -> list[Observer]:
    """The observers of the table ``observers``, in its order."""
    chosen = [part for part in config.observers.values() if part.use != NONE]
    return [parts.load(parts.get("observer", part.use))(part.options) for part in chosen]


def train_steps(
    stage: Stage,
    dataset: Dataset,
    folder: RunFolder,
    reporter: Reporter,
    *,
    resume: bool,
    world: World | None = None,
    observers: Sequence[Observer] = (),
) -> Generator[Progress, None, dict[str, Any]]:
    """Run the training loop.

    If the caller stops iterating, one more step is trained and everything is saved.

    Returns:
        the result of the run.

    Raises:
        Interrupted, Terminated: the reporter asked it to stop, and it is saved.
    """
    quiet = world is not None and not world.leads
    last, loss, left = None, None, False
    note = (lambda text: None) if quiet else folder.log
    for text in _opening(stage, dataset, resume):
        note(text)
    if stage.config["train"]["preview"] and stage.untrained_levels and not quiet:
        reporter.say(f"No preview is made: {stage.untrained_levels}")
    with reporter.watch() as watch, _logged(folder):
        from ..engine.fit import (
            fit,
        )  # takes a second; a Ctrl-C in it already stops the run properly

        def stop() -> bool:
            return left or watch.stopping()

        for last in fit(
            stage,
            dataset,
            folder,
            resume=resume,
            stop=stop,
            world=world,
            observers=observers,
            report=reporter.warn,
        ):
            loss = last.loss if last.loss is not None else loss
            watch.show(last)
            if last.saved or last.preview:
                note(line(last, loss))
            if not left:
                try:
                    yield last
                except GeneratorExit:
                    left = True
    note("stopped as asked" if last is not None and last.step < last.steps else "done")
    due = (
        last is not None or not folder.report_path.exists()
    )  # a kill may have come between the last checkpoint and the report
    report = _report(folder, reporter) if due and not quiet else None
    if last is not None and last.step < last.steps and not left:
        raise watch.error(
            f"Stopped at step {last.step} of {last.steps}, and saved. Resume with: "
            f"{command('resume', folder.path)}"
        )
    steps = last.steps if last else stage.config["train"]["steps"]
    return {
        "run": str(folder.path),
        "model": str(folder.model_path),
        "report": report,
        "steps": steps,
        "loss": loss,
        "generative": stage.network is not None,
        "finished_before": last is None,
    }


def _opening(stage: Stage, dataset: Dataset, resume: bool) -> Iterator[str]:
    """The first lines of the run's log."""
    assert stage.objective is not None
    parameters = list(stage.objective.model.parameters())
    count, device = sum(p.numel() for p in parameters), parameters[0].device
    precision = stage.network.precision if stage.network else parameters[0].dtype
    yield f"{'resumed' if resume else 'began'}: {shlex.join(sys.argv)}"
    yield (
        f"{len(dataset)} examples from {dataset.source}; {count:,} parameters on {device} in "
        f"{str(precision).removeprefix('torch.')}"
    )
    yield from (f"skipped: {reason}" for _, reason in dataset.skipped)
    yield from (f"note: {path}: {text}" for path, text in dataset.remarks)


def _report(folder: RunFolder, reporter: Reporter) -> str | None:
    """Write the run's report. A failure does not fail the training."""
    try:
        return str(write_report(folder))
    except Exception as error:
        folder.log(traceback.format_exc())
        reporter.say(
            f"The report could not be written ({type(error).__name__}: {error}); the model is not "
            "affected."
        )
        return None


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


@contextmanager
def _logged(folder: RunFolder) -> Iterator[None]:
    """Write the traceback of an error into the run's log."""
    try:
        yield
    except (Interrupted, Terminated):
        raise
    except KeyboardInterrupt:
        folder.log("stopped at once by a second Ctrl-C")
        kept = (
            "The last checkpoint stands"
            if folder.latest_checkpoint()
            else "There is no checkpoint yet"
        )
        raise Interrupted(
            f"Stopped at once, without saving this step. {kept}; go on with: "
            f"{command('resume', folder.path)}"
        ) from None
    except Exception:
        folder.log(traceback.format_exc())
        raise
