"""The engine's own observers, and the notifier that calls all observers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from ..data.dataset import Dataset
from ..errors import is_out_of_memory
from ..observer import Observer, Progress, Result, RunInfo
from ..representation import weights_of
from .cadence import Cadence
from .checkpoint import Saver, require_finite, training_state, with_scalars
from .disk import SPARE, SaveSizes, free_bytes, require_room
from .folder import RunFolder
from .losses import LossLog
from .preview import complaints, preview
from .shard import whole
from .step import TrainStep


class SaveCheckpoints(Observer):
    """Writes checkpoints, the model file and snapshots in the background, as long as they fit on
    the disk.

    It runs in every process, so that all of them stop together when the weights are not finite.

    Args:
        report: called with a sentence where a save is left out because the memory is too small.
    """

    essential = True

    def __init__(
        self,
        step: TrainStep,
        cadence: Cadence,
        folder: RunFolder,
        losses: LossLog,
        report: Callable[[str], None] = warnings.warn,
    ) -> None:
        self._step, self._cadence, self._folder, self._losses = step, cadence, folder, losses
        self._report = report
        self._saver = Saver(
            folder.path,
            cadence.train.keep,
            weights_of(step.stage.representation),
            step.objective,
        )
        self._about = {
            "config": dict(step.stage.config),
            "description": step.stage.description.to_json(),
            "parts": dict(step.stage.packages),
        }
        self._about |= {"opened": dict(step.stage.opened)} if step.stage.opened else {}

    def step(self, event: Progress) -> Progress | None:
        if not (event.ending or self._cadence.saves(event.step)):
            return None
        world, state = self._step.world, training_state(self._step)
        require_finite(state, event.step, world.agree)
        if world.shards:
            state = with_scalars(whole(state, keep=world.leads), self._step, ())
        if not world.leads:
            return None
        # with the row and the window of losses, a resumed run writes the metrics of one that was
        # never stopped
        about = {
            **self._about,
            "metrics": metrics_row(event) if event.losses else None,
            "losses": self._losses.window,
        }
        room = self._require_room(event.step)
        path = self._saved(event, state, about)
        if path is None:
            return None
        if not event.ending:
            self._require_next_room(event.step, room)
        return event._replace(saved=path)

    def _saved(
        self, event: Progress, state: Mapping[str, Tensor], about: Mapping[str, Any]
    ) -> Path | None:
        """The checkpoint's path; None where the memory is too small for the copy and a later step
        saves again.
        """
        snapshot = self._cadence.snapshots(event.step)
        try:
            return self._saver.save(event.step, state, self._step.ema, about, snapshot=snapshot)
        except (RuntimeError, MemoryError) as error:
            if event.ending or not is_out_of_memory(error):
                raise
        self._report(
            f"Step {event.step} is not saved, because the memory is too small for a copy of the "
            f"state. Training continues; step {self._cadence.next_save(event.step)} is saved next."
        )
        return None

    def _require_room(self, step: int) -> int:
        """Refuse a save that does not fit on the disk; returns the free bytes."""
        require_room(self._folder.path, self._sizes.at(step, self._cadence), step, saved=False)
        return free_bytes(self._folder.path)

    def _require_next_room(self, step: int, room: int) -> None:
        """Stop now, with everything saved, rather than at the next save, which will not fit.

        Args:
            room: free bytes before this save.
        """
        needed = self._sizes.at(self._cadence.next_save(step), self._cadence)
        if room - self._sizes.at(step, self._cadence) >= needed + SPARE:
            return
        self._saver.wait()  # older files are gone then
        require_room(self._folder.path, needed, step, saved=True, spare=SPARE)

    @cached_property
    def _sizes(self) -> SaveSizes:
        return SaveSizes.of(self._step)

    def end(self, result: Result) -> None:
        self._saver.wait()


class MakePreviews(Observer):
    """Writes one file that shows samples of the averaged weights."""

    def __init__(
        self, step: TrainStep, cadence: Cadence, dataset: Dataset, folder: RunFolder
    ) -> None:
        self._step, self._cadence, self._dataset, self._folder = step, cadence, dataset, folder

    def step(self, event: Progress) -> Progress | None:
        if not self._cadence.previews(event.step) or not self._step.objective.previews:
            return None
        made = preview(self._step, self._dataset, self._folder, event.step)
        return event._replace(preview=made) if made else None

    def begin(self, run: RunInfo) -> None:
        """Make the preview of the resumed checkpoint if the run was killed before it was made; not
        where weights are sharded, which are gathered only after a step.
        """
        if self._step.world.shards:
            return
        missing = run.first and not any(self._folder.samples_path.glob(f"preview-{run.first:08d}*"))
        if missing and self._cadence.previews(run.first) and self._step.objective.previews:
            preview(self._step, self._dataset, self._folder, run.first)


class Examine(Observer):
    """Says what is plainly wrong with a model that makes no samples, whenever it is saved.

    Each number of faults is told once, and again at the end of the run.
    """

    def __init__(
        self,
        step: TrainStep,
        cadence: Cadence,
        dataset: Dataset,
        folder: RunFolder,
        complain: Callable[[str], None] | None,
    ) -> None:
        self._step, self._cadence, self._dataset = step, cadence, dataset
        self._folder, self._complain = folder, complain
        self._told = 0

    def step(self, event: Progress) -> Progress | None:
        if not (event.ending or self._cadence.saves(event.step)):
            return None
        found = complaints(self._step, self._dataset)
        if len(found) > self._told or event.ending:
            for text in found:
                self._folder.log(text)
                if self._complain:
                    self._complain(text)
        self._told = max(self._told, len(found))
        return None


class WriteMetrics(Observer):
    """A line of ``metrics.jsonl`` wherever the losses were measured."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def step(self, event: Progress) -> Progress | None:
        if event.losses:
            self._folder.add_metrics(metrics_row(event))
        return None


def metrics_row(event: Progress) -> dict[str, Any]:
    """A line of ``metrics.jsonl``; the losses of single players where there are several."""
    row = {
        "step": event.step,
        "loss": event.mean_loss,
        "lr": event.lr,
        "examples_per_second": round(event.examples_per_second, 3),
        "memory_bytes": event.memory_bytes,
    }
    return row | ({"losses": dict(event.losses)} if len(event.losses) > 1 else {})


class Notifier:
    """Calls observers in order.

    An error in an observer is reported, each kind once, and ends the run only where the observer is
    essential.

    Args:
        report: called with one sentence for each error.
    """

    def __init__(self, observers: Sequence[Observer], report: Callable[[str], None]) -> None:
        self._observers, self._report = observers, report
        self._reported: set[tuple[int, str, type[Exception]]] = set()
        self._last: Progress | None = None

    @contextmanager
    def during(self, run: RunInfo) -> Iterator[None]:
        """Call ``begin`` before the block and ``end`` after it, however it ends."""
        error: BaseException | None = None
        self._each("begin", lambda one: one.begin(run))
        try:
            yield
        except GeneratorExit:  # the caller stopped iterating, which is not an error
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._end(Result(self._last, error))

    def step(self, event: Progress) -> Progress:
        """The event, with the files that were made after the step."""
        made = [event]

        def tell(one: Observer) -> None:
            made.append(one.step(made[-1]) or made[-1])

        self._each("step", tell)
        self._last = event = made[-1]
        if event.saved:
            self._each("saved", lambda one: one.saved(event))
        if event.preview:
            self._each("sampled", lambda one: one.sampled(event))
        return event

    def _end(self, result: Result) -> None:
        """Call every ``end``, even after an essential observer failed; then raise its error."""
        failures = []
        for one in self._observers:
            try:
                self._guard(one, "end", lambda one: one.end(result))
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _each(self, hook: str, call: Callable[[Observer], None]) -> None:
        for one in self._observers:
            self._guard(one, hook, call)

    def _guard(self, one: Observer, hook: str, call: Callable[[Observer], None]) -> None:
        try:
            call(one)
        except Exception as error:
            if one.essential:
                raise
            fault = (id(one), hook, type(error))
            if fault not in self._reported:
                self._reported.add(fault)
                self._report(
                    f"{type(one).__name__}.{hook} failed ({type(error).__name__}: {error}). "
                    "Training continues."
                )
