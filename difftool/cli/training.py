"""A training run from a resolved config to its end: what ``train``, ``resume`` and ``demo`` share."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import Interrupted, Terminated
from ..plugin.registry import Registry
from .console import command, duration, number, say, size
from .progress import Counter, line, training_display
from .signals import Stop, terminate_at_once

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..engine.distributed import World
    from ..engine.folder import RunFolder
    from ..stage import Stage


def opened(config: Config, registry: Registry, quiet: bool = False, measured: Mapping[str, Any] | None = None) -> tuple[Config, Dataset]:
    """The config's data, with a word to the user on what it is and what had to be left out."""
    from ..assemble import open_dataset, require_examples

    terminate_at_once()
    config, dataset = open_dataset(config, registry, progress=None if quiet else Counter(), measured=measured)
    require_examples(dataset)
    if not quiet:
        say(f"{len(dataset)} example{'s' * (len(dataset) != 1)} from {dataset.source}{_conditions(dataset)}")
        _tell_skipped(dataset.skipped)
        _tell_remarks(dataset.remarks)
    return config, dataset


def _conditions(dataset: Dataset) -> str:
    found = [f"{c.name} ({len(c.names)} labels)" if c.kind == "label" else c.name for c in dataset.description.conditions.values()]
    return f", conditions: {', '.join(found)}" if found else ", no conditions"


def _tell_skipped(skipped: list[tuple[Path, str]], most: int = 10) -> None:
    if skipped:
        say(f"{len(skipped)} skipped because they cannot be used:")
        for path, reason in skipped[:most]:
            say(f"  {reason if str(path) in reason else f'{path}: {reason}'}")
        if len(skipped) > most:
            say(f"  … and {len(skipped) - most} more; difftool data check names them all")


def _tell_remarks(remarks: list[tuple[Path, str]], most: int = 3, lines: int = 10) -> None:
    """Each thing that was said, once, with the files it was said of."""
    said: dict[str, list[Path]] = {}
    for path, text in remarks:
        said.setdefault(text, []).append(path)
    for text, paths in list(said.items())[:lines]:
        more = f" and {len(paths) - most} more, all in the run's log" if len(paths) > most else ""
        say(f"Used, but to know: {text} ({', '.join(map(str, paths[:most]))}{more})")
    if len(said) > lines:
        say(f"… and {len(said) - lines:,} more remarks, all in the run's log")


def built(config: Config, registry: Registry, dataset: Dataset, local_rank: int = 0, *, fresh: bool = True) -> Stage:
    """The model on its device; a fresh one with the weights that it is to start from."""
    from ..assemble import build_stage
    from ..engine.device import choose_device

    stage = build_stage(config, registry, dataset.description, choose_device(config.train.device, local_rank), dataset.modality)
    from ..inherit import inherit, require_learnt

    if fresh and not config.train.init:
        require_learnt(stage.denoiser)
    elif fresh:
        taken, total, new = inherit(stage, Path(config.train.init))
        if local_rank == 0:
            say(f"Starts with {taken:,} of its {total:,} numbers from {config.train.init}{'; new: ' * bool(new)}{', '.join(new)}")
    return stage


def train_to_end(stage: Stage, dataset: Dataset, folder: RunFolder, *, resume: bool, world: World | None = None) -> dict[str, Any]:
    """Run the loop under the signal handlers and a display; returns what the run came to.

    Raises:
        Interrupted, Terminated: the user or the system asked it to stop, and it is saved.
    """
    quiet = world is not None and not world.leads
    last, loss, show = None, None, training_display(quiet)
    note = (lambda text: None) if quiet else folder.log
    for text in _opening(stage, dataset, resume):
        note(text)
    if stage.config["train"]["preview"] and stage.unlearnt and not quiet:
        say(f"No preview is made: {stage.unlearnt}")
    with Stop(quiet) as stop, _logged(folder), show as display:
        from ..engine.fit import fit  # takes a second, in which a Ctrl-C is one to this run already

        for last in fit(stage, dataset, folder, resume=resume, stop=stop, world=world):
            loss = last.loss if last.loss is not None else loss
            display.show(last)
            if last.saved or last.preview:
                note(line(last, loss))
    note("stopped as asked" if last is not None and last.step < last.steps else "done")
    report = _report(folder) if last is not None and not quiet else None
    if last is not None and last.step < last.steps:
        raise stop.error(f"Stopped at step {last.step} of {last.steps}, and saved. Go on with: {command('resume', folder.path)}")
    steps = last.steps if last else stage.config["train"]["steps"]
    return {
        "run": str(folder.path),
        "model": str(folder.model_path),
        "report": report,
        "steps": steps,
        "loss": loss,
        "finished_before": last is None,
    }


def _opening(stage: Stage, dataset: Dataset, resume: bool) -> Iterator[str]:
    """What the run's log says first."""
    denoiser = stage.denoiser
    count, device = sum(p.numel() for p in denoiser.parameters()), next(denoiser.parameters()).device
    yield f"{'resumed' if resume else 'began'}: {shlex.join(sys.argv)}"
    yield f"{len(dataset)} examples from {dataset.source}; {count:,} parameters on {device} in {str(denoiser.precision).removeprefix('torch.')}"
    yield from (f"skipped: {reason}" for _, reason in dataset.skipped)
    yield from (f"note: {path}: {text}" for path, text in dataset.remarks)


def _report(folder: RunFolder) -> str | None:
    """The run's report; the training stands even where the report cannot be made."""
    from ..report import write_report

    try:
        return str(write_report(folder))
    except Exception as error:
        folder.log(traceback.format_exc())
        say(f"The report could not be written ({type(error).__name__}: {error}); the model is not affected.")
        return None


def split_to_fit(stage: Stage, config: Config, registry: Registry, dataset: Dataset) -> tuple[Config, Stage]:
    """``--batch auto``: the batch stays, in as many parts as the memory asks for. Measuring trains a little, so the model is built anew."""
    from ..engine.plan import parts_that_fit

    parts = parts_that_fit(stage, dataset)
    batch = config.train.batch
    say(f"batch {batch} in {parts} part{'s' * (parts > 1)} of {batch // parts}, to fit the memory")
    config = config.replace(train=config.train.model_copy(update={"accumulate": parts}))
    return config, built(config, registry, dataset)


@contextmanager
def _logged(folder: RunFolder) -> Iterator[None]:
    """The run's log keeps the traceback of whatever ends it."""
    try:
        yield
    except (Interrupted, Terminated):
        raise
    except KeyboardInterrupt:
        folder.log("stopped at once by a second Ctrl-C")
        kept = "The last checkpoint stands" if folder.latest_checkpoint() else "There is no checkpoint yet"
        raise Interrupted(f"Stopped at once, without saving this step. {kept}; go on with: {command('resume', folder.path)}") from None
    except Exception:
        folder.log(traceback.format_exc())
        raise


def plan_lines(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """What ``--dry-run`` found, in words."""
    kept, each = plan["checkpoints_kept"], plan["checkpoint_bytes"]
    conditions = ", ".join(f"{name} ({kind})" for name, kind in plan["conditions"].items()) or "none"
    return [
        ("data", f"{plan['data']}: {plan['examples']} examples" + (f", {plan['skipped']} skipped" if plan["skipped"] else "")),
        ("one example", f"{_shape(plan['raw_shape'])} as read, {_shape(plan['model_shape'])} to the network"),
        ("conditions", conditions),
        ("parameters", f"{plan['parameters']:,}"),
        ("device", f"{plan['device']}, {plan['precision']}"),
        ("memory", f"{size(plan['memory_bytes'])} in use after the warm steps, of {size(plan['memory_total_bytes'])}"),
        ("checkpoint", f"{size(each)} each, {kept} kept: {size(each * kept)}; free disk: {size(plan['free_disk_bytes'])}"),
        ("speed", f"{number(plan['seconds_per_step'])} s a step; {plan['steps']} steps in {duration(plan['seconds_in_all'])}"),
    ]


def _shape(shape: list[int | None]) -> str:
    return " x ".join("any" if n is None else str(n) for n in shape)
