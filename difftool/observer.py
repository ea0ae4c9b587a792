"""Observer: what watches a training run. Saving, metrics and previews are observers, and so are trackers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from .description import Description


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as it begins, or goes on.

    Attributes:
        path: the run's folder.
        config: the resolved configuration, as plain data.
        description: the data that it trains on.
        first: steps taken before; 0 for a new run.
        steps: steps of the whole run.
    """

    path: Path
    config: Mapping[str, Any]
    description: Description
    first: int
    steps: int


class Progress(NamedTuple):
    """Where training stands after a step; what was not measured at this step is None.

    Attributes:
        step, steps: steps taken, and steps of the whole run.
        loss: the newest loss of the first player, over the whole batch.
        examples_per_second: over the last half minute.
        eta_s: seconds until the last step, at this pace.
        memory_bytes: on the device where it has memory of its own, else of the process.
        lr: the first player's learning rate.
        saved, preview: the files that were made after this step.
        mean_loss: the mean of the first player's losses since this was last measured. It is measured where metrics are written.
        losses: the same for every player, by name.
        seen: examples seen, on all devices.
        ending: whether this was the last step: of the whole run, or before a stop that was asked for.
    """

    step: int
    steps: int
    loss: float | None
    examples_per_second: float
    eta_s: float
    memory_bytes: int
    lr: float
    saved: Path | None = None
    preview: Path | None = None
    mean_loss: float | None = None
    losses: Mapping[str, float] = MappingProxyType({})
    seen: int = 0
    ending: bool = False


class Result(NamedTuple):
    """How training ended.

    Attributes:
        last: the last step's progress; None where no step was taken.
        error: what ended it; None where it reached its last step, or stopped as it was asked to.
    """

    last: Progress | None
    error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Whether the last step of the plan was taken."""
        return self.error is None and self.last is not None and self.last.step == self.last.steps


class Observer:
    """Watches a run through hooks, all of which do nothing unless a subclass says otherwise. Built with its options.

    Hooks are called in the process that leads, between two steps: what takes long delays training, so hand it to a thread. A hook that
    raises is reported, and training goes on.

    Attributes:
        essential: a failure ends the run. For what a run is not worth its time without, which is that it is saved.
    """

    essential: ClassVar[bool] = False

    def begin(self, run: RunInfo) -> None:
        """Before the first step; a resumed run begins again."""

    def step(self, event: Progress) -> Progress | None:
        """After every step. What makes a file hands the event back with the file's path in ``saved`` or ``preview``; all others None."""
        return None

    def saved(self, event: Progress) -> None:
        """A checkpoint and a model file are being written; ``event.saved`` is where the checkpoint will be."""

    def sampled(self, event: Progress) -> None:
        """A sheet of previews was made; ``event.preview`` is the file."""

    def end(self, result: Result) -> None:
        """After the last step, however training ended."""
