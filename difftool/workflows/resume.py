"""Resume a run that was stopped."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import resolve
from ..config.layers import file_layer
from ..errors import DataError, UsageError
from ..files import write_text
from ..names import path_text
from .best import score_of
from .ledger import keep_ledger
from .loop import train_steps
from .naming import data_path
from .reporter import Reporter
from .text import command
from .train import assembly_of, built, finished, foretold, make_observers, opened

if TYPE_CHECKING:
    from ..config import Config
    from ..data.dataset import Dataset
    from ..engine.distributed import World
    from ..engine.folder import RunFolder
    from ..observer import Progress
    from ..plugin.registry import Registry


def run_config(folder: RunFolder, parts: Registry) -> Config:
    """The configuration of a run."""
    return resolve(None, [replace(file_layer(folder.config_path), own=True)], parts)


def resume_run(
    folder: RunFolder,
    parts: Registry,
    reporter: Reporter,
    steps: int | None = None,
    device: str | None = None,
    data: Path | None = None,
) -> dict[str, Any]:
    """Train a stopped run to its end.

    Args:
        steps: another last step.
        data: where the data is now, if it has moved.
    """
    return finished(resumed_run(folder, parts, reporter, steps, device, data))


def with_data(config: Config, data: Path | None) -> Config:
    """The configuration with its data at another place; unchanged for None."""
    if data is None:
        return config
    path = path_text(data_path(str(data)))
    return config.replace(data=config.data.model_copy(update={"path": path}))


def resumed_run(
    folder: RunFolder,
    parts: Registry,
    reporter: Reporter,
    steps: int | None = None,
    device: str | None = None,
    data: Path | None = None,
) -> Generator[Progress, None, dict[str, Any]]:
    """Train the remaining steps of a run; yields a record after each step."""
    from ..engine.distributed import join, leave

    world = join()
    try:
        with (
            folder.held() if world.leads else nullcontext()
        ):  # before anything of the run is read or changed
            return (
                yield from _resumed(
                    folder,
                    parts,
                    reporter if world.leads else reporter.muted(),
                    steps,
                    device,
                    data,
                    world,
                )
            )
    finally:
        leave()


def _resumed(
    folder: RunFolder,
    parts: Registry,
    reporter: Reporter,
    steps: int | None,
    device: str | None,
    data: Path | None,
    world: World,
) -> Generator[Progress, None, dict[str, Any]]:
    _refuse_fewer(folder, steps)
    config = with_data(run_config(folder, parts), data)
    changes = {"steps": steps, "device": device}
    changed = config.train.model_copy(
        update={key: value for key, value in changes.items() if value is not None}
    )
    measured = folder.description().measured
    config = config.replace(train=changed)
    assembly = assembly_of(
        config, parts, world.local_rank, folder.model_path if folder.model_path.is_file() else None
    )
    with _saying_moved(folder, config):
        config, dataset = opened(config, parts, reporter, measured, assembly)
    _refuse_changed(folder, dataset, reporter, noting=world.leads)
    if (steps is not None or data is not None) and world.leads:
        write_text(
            folder.config_path, config.to_toml()
        )  # else a later resume would fall back to the old end, and to the old place of the data
    checkpoint = folder.latest_checkpoint()
    for damaged in folder.damaged_checkpoints():
        reporter.say(f"{damaged} is damaged, so an earlier checkpoint is used.")
    reporter.say(f"Resuming {folder.path} from {checkpoint.name if checkpoint else 'the start'}")
    stage = built(config, assembly, dataset, reporter, fresh=checkpoint is None)
    foretold(stage, dataset, reporter, world.size)
    result = yield from train_steps(
        stage,
        dataset,
        folder,
        reporter,
        resume=True,
        world=world,
        observers=make_observers(config, parts),
        score=score_of(config, parts, reporter),
        account=lambda: keep_ledger(folder, config, parts),
    )
    if result["finished_before"]:
        reporter.say(
            f"{folder.path} has already reached its last step, {result['steps']}. To train more "
            f"steps: {command('resume', folder.path)} --steps N"
        )
    return result if world.leads else {}


@contextmanager
def _saying_moved(folder: RunFolder, config: Config) -> Iterator[None]:
    """Say what to do about data that is not where the run left it."""
    try:
        yield
    except DataError:
        from ..assemble import missing_data

        if (path := missing_data(config)) is None:
            raise
        raise DataError(
            f"The data of {folder.path} is not at {path} any more. If it has moved, say where it "
            f"is: {command('resume', folder.path, '--data')} PATH"
        ) from None


def _refuse_fewer(folder: RunFolder, steps: int | None) -> None:
    """Raise UsageError for a last step before the checkpoint: the settings of the run would be
    wrong.
    """
    checkpoint = folder.latest_checkpoint()
    reached = int(checkpoint.stem) if checkpoint else 0
    if steps is not None and steps < reached:
        raise UsageError(
            f"{folder.path} is already at step {reached} and cannot go back to {steps}. Use "
            f"--steps above {reached}."
        )


def _refuse_changed(folder: RunFolder, dataset: Dataset, reporter: Reporter, noting: bool) -> None:
    """Raise DataError where the data has changed, because other data would be another run.

    Other content of the same examples is only reported: another version of a decoder may round
    differently.
    """
    before, now = folder.description(), dataset.description
    facts = {
        "number of examples": "count",
        "shape": "shape",
        "type": "dtype",
        "conditions or labels": "conditions",
    }
    changed = [
        name
        for name, attribute in facts.items()
        if getattr(before, attribute) != getattr(now, attribute)
    ]
    if not changed:
        if before.fingerprint != now.fingerprint and before.fingerprint and noting:
            note = (
                "The content of the examples has changed since the run began (a file was edited, "
                "or a decoder has another version)."
            )
            reporter.say(
                f"{note} The run uses the new content, so its result is not bit-identical to that "
                "of an uninterrupted run."
            )
            folder.log(note)
        return
    what = ", ".join(changed)
    raise DataError(
        f"The data of {folder.path} has changed since the run began (the {what}), so the run "
        "cannot be resumed exactly. Restore the data, or start a new run: "
        f"{command('train', '--config', folder.config_path)}"
    )
