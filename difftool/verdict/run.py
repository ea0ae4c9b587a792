"""What a run's folder says of its training."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from ..engine.folder import RunFolder
from ..errors import DifftoolError
from ..shell import command
from .diagnosis import Diagnosis, in_order
from .training import TrainingFacts, of_training


def training_verdict(path: Path) -> list[Diagnosis]:
    """What the losses and the settings of a run say, the worst first; empty where its files cannot
    be read.

    Args:
        path: the run's folder.
    """
    try:
        return in_order(of_training(facts_of(RunFolder(path))))
    except (OSError, ValueError, KeyError, DifftoolError):
        return []


def facts_of(folder: RunFolder) -> TrainingFacts:
    """The facts of a run. Raises what reading its files raises."""
    tables = tomllib.loads(folder.config_path.read_text(encoding="utf-8"))
    average, objective = tables.get("ema", {}), tables.get("objective", {})
    student = bool(objective.get("teacher")) or objective.get("use") == "consistency"
    return TrainingFacts(
        command("resume", folder.path),
        folder.metrics(),
        folder.description().count,
        tables["train"]["batch"],
        tables.get("optimizer", {}).get("lr"),
        average.get("halflife", ()),
        average.get("rampup", 0.0),
        tables.get("optimizer", {}).get("use", ""),
        _failure(folder),
        bool(tables["train"].get("init") or objective.get("base") or objective.get("teacher")),
        student,
    )


def _failure(folder: RunFolder) -> str:
    """What the log says of numbers that were not finite, since the run was last begun or resumed."""
    try:
        text = folder.log_path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    since = re.split(r"^\S+ \S+ (?:began|resumed): ", text, flags=re.MULTILINE)[-1]
    found = re.search(r"NonFiniteLossError: (The \w+ became .*?step \d+)", since)
    return f"{found[1]}." if found else ""
