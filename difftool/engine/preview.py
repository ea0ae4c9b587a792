"""A sheet of samples of the averaged weights, made while training."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import torch

from ..stage import Stage
from .device import is_on
from .folder import RunFolder
from .generate import SampleRequest, generate
from .options import GuidanceOptions, SampleOptions
from .step import TrainStep


def preview(step: TrainStep, folder: RunFolder, done: int) -> Path:
    """Sample from the first average and write the modality's preview into the run's ``samples`` folder."""
    as_is = torch.compiler.set_stance("force_eager") if is_on(step.train.compile, step.device) else nullcontext()
    with step.ema.applied(), as_is:  # as ``difftool sample`` does it; compiling anew for a sheet would take longer than the sheet
        path = preview_sheet(step.stage, folder.samples_path / f"preview-{done:08d}", step.train.preview)
    step.model.train()
    return path


def preview_sheet(stage: Stage, stem: Path, n: int) -> Path:
    """``n`` samples with the run's own settings, every label in turn, in one file to look at."""
    options = SampleOptions.model_validate(stage.config["sample"])
    labels = [c.name for c in stage.description.conditions.values() if c.kind == "label" and c.name in stage.denoiser.conditioners]
    request = SampleRequest(
        n=n,
        steps=options.steps,
        batch=options.batch,
        guidance=GuidanceOptions.model_validate(stage.config["guidance"]),
        cond={name: ["all"] for name in labels},
    )
    made = list(generate(stage, request))
    stem.parent.mkdir(parents=True, exist_ok=True)
    return stage.modality.preview([one.example for one in made], stem, [one.title for one in made])
