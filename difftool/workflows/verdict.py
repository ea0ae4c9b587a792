"""The verdict on a model: on its samples, and on the training of the run that it is from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..engine.folder import NEAREST, RunFolder
from ..errors import DifftoolError
from ..files import write_text
from ..report import write_report
from ..report.media import SCENE
from ..verdict import TrainingFacts, in_order, of_samples, of_training
from ..verdict.run import facts_of
from .chain_stage import ChainStage
from .reconstructed import MADE

if TYPE_CHECKING:
    import numpy as np

    from ..modality import Modality
    from .sample import Samples


def verdict(found: Mapping[str, Any], stage: ChainStage) -> list[dict[str, str]]:
    """The findings on the samples and the training of a stage, the worst first, as JSON."""
    folder, facts = run_of(stage), None
    if folder is not None:
        with suppress(DifftoolError, OSError, ValueError, KeyError):  # the samples still count
            facts = facts_of(folder)
    # reconstructions are copies, and are meant to be
    rebuilt = MADE in found["samples"]
    findings = [] if rebuilt else of_samples(found["rows"], found["samples"], facts)
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


SHOWN = 12
"""Samples of an evaluation that are kept as files, for the report and for comparisons."""


def keep_samples(samples: Samples, stage: ChainStage) -> None:
    """Write some samples into the run, in place of those of the evaluation before."""
    if (folder := run_of(stage)) is None:
        return
    place = folder.evaluated_path
    with suppress(OSError, DifftoolError):  # a read-only place still has a result
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        for i, example in enumerate(samples.examples[:SHOWN]):
            samples.modality.write(example, place / f"{i:02d}", dict(samples.info), samples.shape)
            if (scene := samples.modality.scene(example)) is not None:
                write_text(place / f"{i:02d}{SCENE}", json.dumps(asdict(scene)))


def keep_nearest(
    nearest: Sequence[tuple[np.ndarray, np.ndarray, float]], modality: Modality, stage: ChainStage
) -> str:
    """Write a sheet of samples beside their neighbours into the run; returns its path.

    Empty where there is no run, no neighbour, or nothing can be written.
    """
    if (folder := run_of(stage)) is None or not nearest:
        return ""
    pairs = [
        (one, title)
        for sample, near, share in nearest
        for one, title in ((sample, "sample"), (near, f"data, at {share:.2f}"))
    ]
    examples, titles = zip(*pairs, strict=True)
    try:
        folder.samples_path.mkdir(exist_ok=True)
        for old in folder.samples_path.glob(f"{NEAREST}.*"):
            old.unlink()
        return str(modality.preview(examples, folder.samples_path / NEAREST, titles))
    except (OSError, DifftoolError):  # a read-only place still has a result
        return ""
