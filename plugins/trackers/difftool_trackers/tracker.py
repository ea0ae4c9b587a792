"""Tracker: an observer that turns the events of a run into what all trackers know."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from difftool import Observer, Progress, Result, RunInfo, replacing, training_verdict

from .options import TrackerOptions

IDENTIFIERS = "trackers.json"
"""The file in a run's folder with the identifier of the run in each tracker."""


class Tracker(Observer):
    """Sends losses, losses by noise level, previews, the configuration and the verdict.

    A subclass says how its library opens a run, takes numbers and files, and closes it.
    """

    use: str
    """Its name in ``trackers.json``."""

    options: TrackerOptions

    def __init__(self, options: TrackerOptions) -> None:
        self.options = options
        self._run: RunInfo | None = None
        self._levels = 0

    @abstractmethod
    def open(self, run: RunInfo, name: str, identifier: str) -> str:
        """Open the run in the tracker; returns its identifier there.

        Args:
            name: what to call it.
            identifier: that of the run that is resumed; empty for a new one.
        """

    @abstractmethod
    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Log finite numbers by name."""

    @abstractmethod
    def file(self, step: int, name: str, path: Path) -> None:
        """Log a preview: a picture, a moving picture or a sound."""

    @abstractmethod
    def text(self, name: str, text: str) -> None:
        """Log a text that belongs to the whole run."""

    @abstractmethod
    def close(self, finished: bool) -> None:
        """Write what is left, and say whether the run reached its end."""

    def begin(self, run: RunInfo) -> None:
        known = identifiers(run.path)
        found = self.open(
            run, self.options.name or run.path.resolve().name, known.get(self.use, "")
        )
        if found != known.get(self.use):
            with replacing(run.path / IDENTIFIERS) as partial:
                partial.write_text(json.dumps({**known, self.use: found}), encoding="utf-8")
        self._run, self._levels = run, len(list(_levels(run.path)))

    def step(self, event: Progress) -> Progress | None:
        if self._run is None:  # it could not be opened, which was reported
            return None
        values = dict(_levels_after(self._run.path, self._levels, event.step))
        self._levels += bool(values)
        if event.mean_loss is not None:
            values |= {
                "loss": event.mean_loss,
                "learning rate": event.lr,
                "examples per second": event.examples_per_second,
                "memory in GB": event.memory_bytes / 1e9,
                "examples seen": float(event.seen),
            }
            if len(event.losses) > 1:
                values |= {f"loss/{name}": loss for name, loss in event.losses.items()}
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if finite:
            self.numbers(event.step, finite)
        return None

    def sampled(self, event: Progress) -> None:
        made = event.preview
        if self._run is not None and self.options.previews and made and made.is_file():
            self.file(event.step, "preview", made)

    def end(self, result: Result) -> None:
        if self._run is None:
            return
        run, self._run = self._run, None
        try:
            said = "\n\n".join(f"{one.level}: {one.text}" for one in training_verdict(run.path))
            if result.error is not None:
                said = f"error: {type(result.error).__name__}: {result.error}\n\n{said}"
            if said:
                self.text("verdict", said)
        finally:
            self.close(result.finished)


def identifiers(path: Path) -> dict[str, str]:
    """The identifiers of a run in trackers; none where the file is missing or damaged."""
    try:
        found = json.loads((path / IDENTIFIERS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of nested tables, as ``("train.steps", 100)``."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _levels(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of losses by noise level that the run has written."""
    try:
        lines = (path / "levels.jsonl").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:  # the last line of a kill
            return


def _levels_after(path: Path, known: int, step: int) -> Iterator[tuple[str, float]]:
    """The mean losses of a row that is newer than those that are known, if it is of this step."""
    rows = list(_levels(path))
    if len(rows) <= known or rows[-1].get("step") != step:
        return
    for side in ("held", "trained"):
        for weights, losses in rows[-1][side].items():
            yield f"{side} loss/{weights}", sum(losses) / len(losses)
