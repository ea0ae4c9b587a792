"""The verdict on a model: on its samples, and on the training of the run that it is from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from ..engine.folder import RunFolder
from ..errors import DifftoolError
from ..files import write_text
from ..report import write_report
from ..verdict import TrainingFacts, in_order, of_samples, of_training
from ..verdict.run import facts_of
from .chain_stage import ChainStage


def verdict(found: Mapping[str, Any], stage: ChainStage) -> list[dict[str, str]]:
    """The findings on the samples and the training of a stage, the worst first, as JSON."""
    folder, facts = run_of(stage), None
    if folder is not None:
        with suppress(DifftoolError, OSError, ValueError, KeyError):  # the samples still count
            facts = facts_of(folder)
    findings = of_samples(found["rows"], found["samples"], facts)
    return [asdict(one) for one in in_order([*findings, *of_training(facts or NOTHING)])]


NOTHING = TrainingFacts("")


def run_of(stage: ChainStage) -> RunFolder | None:
    """The folder of the run whose model a stage is; None for a file that was copied out of it."""
    folder = RunFolder(stage.model.path.parent)
    same = folder.config_path.is_file() and stage.model.path.name == folder.model_path.name
    return folder if same else None


def keep(found: Mapping[str, Any], stage: ChainStage) -> str:
    """Write the result beside the model of a run, and into the report; returns the report's path.

    Empty where there is no run, or nothing can be written there.
    """
    if (folder := run_of(stage)) is None or "folder" in found["samples"]:
        return ""
    try:
        write_text(folder.evaluation_path, json.dumps(found, indent=1))
        return str(write_report(folder))
    except (OSError, DifftoolError, ValueError, KeyError):  # a read-only place still has a result
        return ""
