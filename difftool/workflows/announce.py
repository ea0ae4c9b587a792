"""What a training says of its data and its first weights before it begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Config, project_note
from ..errors import LAUNCHED
from .reporter import Reporter
from .text import duration

if TYPE_CHECKING:
    from ..assemble.inherit import Inherited
    from ..data.dataset import Dataset
    from ..engine.cost import Cost
    from ..settings import TrainOptions


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


def conditions_text(dataset: Dataset) -> str:
    """The names of the conditions, to be added to a line."""
    found = [
        f"{c.name} ({n} labels)" if (n := len(c.choices())) else c.name
        for c in dataset.description.conditions.values()
    ]
    return f", conditions: {', '.join(found)}" if found else ", no conditions"


SLOW = 10.0
"""Seconds of a step above which it is foretold: the first progress would come late."""


def announce_cost(cost: Cost | None, train: TrainOptions, reporter: Reporter) -> None:
    """Say that a step will take long, before the first one is begun."""
    if cost is not None and cost.seconds > SLOW:
        reporter.say(
            f"One step takes about {duration(cost.seconds)} on this machine; {train.steps:,} steps "
            f"take about {duration(cost.seconds * train.steps)}."
        )


def tell_skipped(skipped: list[tuple[Path, str]], reporter: Reporter, most: int = 10) -> None:
    """Report the files that are not used, each with the reason."""
    if skipped:
        reporter.say(f"{len(skipped)} skipped because they cannot be used:")
        for path, reason in skipped[:most]:
            reporter.say(f"  {reason if str(path) in reason else f'{path}: {reason}'}")
        if len(skipped) > most:
            reporter.say(
                f"  … and {len(skipped) - most} more; `difftool data check` lists them all"
            )


def tell_remarks(
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


def inherited_text(found: Inherited, source: str, most: int = 6) -> str:
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
