"""Observer: watches a training run. Saving, metrics, previews and trackers are observers."""

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
    """A run that begins or resumes.

    Attributes:
        path: the run's folder.
        config: the resolved configuration, as plain data.
        description: the data that it trains on.
        first: steps already taken; 0 for a new run.
        steps: steps of the whole run.
    """

    path: Path
    config: Mapping[str, Any]
    description: Description
    first: int
    steps: int


class Progress(NamedTuple):
    """The progress after a step; values that were not measured at this step are None.

    Attributes:
        step, steps: steps taken so far, and steps of the whole run.
        loss: the newest loss of the first player, over the whole batch.
        examples_per_second: over the last half minute.
        eta_s: seconds until the last step, at this pace.
        memory_bytes: memory in use on the device if it has its own, else by the process.
        lr: the first player's learning rate.
        saved, preview: files that were written after this step.
        mean_loss: mean loss of the first player since the last measurement, which is made when
            metrics are written.
        losses: the mean loss of every player, by name.
        seen: examples seen, on all devices.
        ending: whether this was the last step of the run, or the last before a requested stop.
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
        last: the last step's progress; None if no step was taken.
        error: the exception that ended it; None if it finished or stopped on request.
    """

    last: Progress | None
    error: BaseException | None = None

    @property
    def finished(self) -> bool:
        """Whether the last step of the run was taken."""
        return self.error is None and self.last is not None and self.last.step == self.last.steps


class Observer:
    """Watches a run through hooks, which do nothing unless a subclass overrides them.

    Built with its options. The main process calls the hooks between two steps, so a slow hook
    delays training: use a thread. A hook that raises is reported, and training continues.

    Attributes:
        essential: a failure ends the run. Only saving is essential.
    """

    essential: ClassVar[bool] = False

    def begin(self, run: RunInfo) -> None:
        """Called before the first step, also of a resumed run."""

    def step(self, event: Progress) -> Progress | None:
        """Called after every step.

        An observer that writes a file returns the event with its path in ``saved`` or ``preview``;
        otherwise None.
        """
        return None

    def saved(self, event: Progress) -> None:
        """Called while a checkpoint and a model are written; ``event.saved`` is the former."""

    def sampled(self, event: Progress) -> None:
        """Called after a preview was made; ``event.preview`` is the file."""

    def end(self, result: Result) -> None:
        """Called after the last step, however training ended."""
