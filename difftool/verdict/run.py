"""What a run's folder says of its training."""

from __future__ import annotations

import tomllib

from ..engine.folder import RunFolder
from ..shell import command
from .training import TrainingFacts


def facts_of(folder: RunFolder) -> TrainingFacts:
    """The facts of a run. Raises what reading its files raises."""
    tables = tomllib.loads(folder.config_path.read_text(encoding="utf-8"))
    average = tables.get("ema", {})
    return TrainingFacts(
        command("resume", folder.path),
        folder.metrics(),
        folder.description().count,
        tables["train"]["batch"],
        tables.get("optimizer", {}).get("lr"),
        average.get("halflife", ()),
        average.get("rampup", 0.0),
    )
