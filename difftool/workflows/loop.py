"""The training loop of a run, with its log and its report."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..engine.folder import RunFolder
from ..errors import Interrupted, Terminated
from ..report import write_report
from .reporter import Reporter
from .text import command, line

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..engine.distributed import World
    from ..engine.measuring import Score
    from ..observer import Observer, Progress
    from ..stage import Stage


def train_steps(
    stage: Stage,
    dataset: Dataset,
    folder: RunFolder,
    reporter: Reporter,
    *,
    resume: bool,
    world: World | None = None,
    observers: Sequence[Observer] = (),
    score: Score | None = None,
    account: Callable[[], None] = lambda: None,
) -> Generator[Progress, None, dict[str, Any]]:
    """Run the training loop.

    If the caller stops iterating, one more step is trained and everything is saved.

    Args:
        score: a number of samples, by which the best model is kept.
        account: called before the report is written, to note where the data are from.

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
            score=score,
            complain=lambda text: reporter.say(f"Warning: {text}"),
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
    # a kill may have come between the last checkpoint and the report
    due = last is not None or not folder.report_path.exists()
    if due and not quiet:
        account()
    report = _report(folder, reporter) if due and not quiet else None
    if last is not None and last.step < last.steps and not left:
        raise watch.error(
            f"Stopped at step {last.step} of {last.steps}, and saved. Resume with: "
            f"{command('resume', folder.path)}"
        )
    return _result(stage, folder, report, last, loss)


def _result(
    stage: Stage,
    folder: RunFolder,
    report: str | None,
    last: Progress | None,
    loss: float | None,
) -> dict[str, Any]:
    """The result of a run, after its last step; None if it had none to take."""
    assert stage.objective is not None
    return {
        "run": str(folder.path),
        "model": str(folder.model_path),
        "report": report,
        "steps": last.steps if last else stage.config["train"]["steps"],
        "loss": loss,
        "generative": stage.network is not None,
        "reconstructs": stage.network is None and stage.objective.previews,
        "finished_before": last is None,
    }


def _opening(stage: Stage, dataset: Dataset, resume: bool) -> Iterator[str]:
    """The first lines of the run's log."""
    assert stage.objective is not None
    parameters = list(stage.objective.model.parameters())
    count, device = sum(p.numel() for p in parameters), parameters[0].device
    precision = stage.network.precision if stage.network else stage.objective.precision
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
