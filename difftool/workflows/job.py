"""A model with its weights, on its device, and the samples to draw from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..config import NONE
from .chain_stage import ChainStage

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config
    from ..engine.control import Branch
    from ..engine.sample_request import SampleRequest
    from ..expert import Expert
    from ..plugin.registry import Registry
    from ..stage import Stage


@dataclass(frozen=True)
class Job:
    """A model and the samples to draw from it.

    Attributes:
        info: provenance, which is written with each sample.
    """

    stage: Stage
    request: SampleRequest
    info: Mapping[str, Any]


def prepared(chained: ChainStage, parts: Registry, low: Sequence[np.ndarray] = ()) -> Job:
    """The model of a stage, built, and the samples to draw from it.

    Args:
        low: what it refines, one raw example for each sample; empty where it refines nothing.
    """
    from ..assemble import load_stage  # torch

    path, config, request = chained.model.path, chained.config, chained.request
    stage = load_stage(
        path,
        parts,
        device=request.device,
        precision=request.precision,
        ema=request.ema,
        config=config,
        adapters=request.adapters,
    )
    stage = replace(stage, experts=tuple(loaded_experts(chained, parts)))
    info = {
        **_provenance(chained, refining=len(low) > 0),
        **chained.shape.model_dump(mode="json", exclude_defaults=True),
    }
    return Job(stage, _request(stage, chained, parts, low), info)


def _request(
    stage: Stage, chained: ChainStage, parts: Registry, low: Sequence[np.ndarray]
) -> SampleRequest:
    from ..engine.sample_request import SampleRequest  # torch

    request, cond = chained.request, dict(chained.cond)
    if request.every_label:
        listed = [
            name
            for name in stage.denoiser.conditioners
            if stage.description.conditions[name].choices()
        ]
        cond |= {name: ["all"] for name in listed if name not in cond}
    return SampleRequest(
        request.n,
        seed=request.seed,
        start=request.start,
        cond=cond,
        negative=chained.negative,
        control=_read_whole(stage, request.control),
        control_scale=request.control_scale,
        branches=[_branch(chained, parts, *branch) for branch in request.branches],
        low=low,
        level=chained.level,
        agree=chained.agree,
        place=chained.place,
        guidance=stage.guidance,
        shape=chained.shape,
        **chained.config.sample.model_dump(),
    )


def _read_whole(stage: Stage, files: Sequence[Path]) -> list[np.ndarray]:
    """Files as training reads them."""
    modality = stage.modality
    return [modality.read(item) for file in files for item in modality.scan(file)]


def _branch(chained: ChainStage, parts: Registry, model: Path, file: Path, scale: float) -> Branch:
    """A further control branch, loaded, and what it follows."""
    from ..assemble import load_stage  # torch
    from ..engine.control import Branch

    request = chained.request
    stage = load_stage(
        model, parts, device=request.device, precision=request.precision, ema=request.ema
    )
    return Branch(stage, _read_whole(stage, [file]), scale)


def _provenance(chained: ChainStage, refining: bool) -> dict[str, Any]:
    config = chained.config
    return {
        "difftool": __version__,
        "model": str(chained.model.path),
        "seed": chained.request.seed,
        "sampler": config.sampler.use,
        "steps": config.sample.steps,
        **(
            {"resampling_steps": config.sample.resampling_steps}
            if config.sample.resampling_steps > 1
            else {}
        ),
        "guidance": getattr(config.guidance.options, "scale", config.guidance.use),
        **({"negative": shown_negative(chained)} if chained.negative else {}),
        **(
            {"control": ", ".join(map(str, files)), "control_scale": chained.request.control_scale}
            if (files := chained.request.control)
            else {}
        ),
        **(
            {"branches": ", ".join(f"{run}={file}:{x:g}" for run, file, x in branches)}
            if (branches := chained.request.branches)
            else {}
        ),
        **(
            {"adapters": ", ".join(f"{file}:{weight:g}" for file, weight in adapters)}
            if (adapters := chained.request.adapters)
            else {}
        ),
        **({"guidances": ", ".join(further)} if (further := _further(config)) else {}),
        **({"level": chained.level} if refining else {}),
        **(
            {"experts": ", ".join(f"{other}@{below:g}" for below, other in chained.experts)}
            if chained.experts
            else {}
        ),
    }


def shown_negative(chained: ChainStage) -> str:
    """What samples are not to be, as one text."""
    return "; ".join(text for texts in chained.negative.values() for text in texts)


def _further(config: Config) -> list[str]:
    """The guidances after the first."""
    return [part.use for part in config.guidances.values() if part.use != NONE]


def loaded_experts(chained: ChainStage, parts: Registry) -> Iterator[Expert]:
    """The experts of a stage, on the device that is requested."""
    from ..assemble import load_stage  # torch
    from ..expert import Expert

    request = chained.request
    for below, path in chained.experts:
        loaded = load_stage(
            path, parts, device=request.device, precision=request.precision, ema=request.ema
        )
        yield Expert(below, loaded.denoiser, loaded.process.density)
