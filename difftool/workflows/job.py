"""A model with its weights, on its device, and the samples to draw from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..config import NONE
from .chain_stage import ChainStage
from .request import Request

if TYPE_CHECKING:
    from ..config import Config
    from ..engine.generate import SampleRequest
    from ..expert import Expert
    from ..options import Options
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


def prepared(chained: ChainStage, parts: Registry, request: Request) -> Job:
    """The model of a stage, built, and the samples to draw from it."""
    from ..assemble import load_stage  # torch

    path, config = chained.model.path, chained.config
    stage = load_stage(
        path,
        parts,
        device=request.device,
        precision=request.precision,
        ema=request.ema,
        config=config,
    )
    stage = replace(stage, experts=tuple(loaded_experts(request, parts)))
    info = {
        **_provenance(path, config, request),
        **chained.shape.model_dump(mode="json", exclude_defaults=True),
    }
    return Job(stage, _request(stage, config, chained.shape, request), info)


def _request(stage: Stage, config: Config, shape: Options, request: Request) -> SampleRequest:
    from ..engine.generate import SampleRequest  # torch

    cond = dict(request.cond)
    if request.every_label:
        listed = [
            name
            for name in stage.denoiser.conditioners
            if stage.description.conditions[name].choices()
        ]
        cond |= {name: ["all"] for name in listed if name not in cond}
    settings = {"guidance": stage.guidance, "shape": shape, **config.sample.model_dump()}
    low: dict[str, Any] = {
        "low": request.low,
        "level": request.level,
        "agree": request.agree,
        "place": request.place,
    }
    return SampleRequest(
        request.n, seed=request.seed, start=request.start, cond=cond, **low, **settings
    )


def _provenance(path: Path, config: Config, request: Request) -> dict[str, Any]:
    return {
        "difftool": __version__,
        "model": str(path),
        "seed": request.seed,
        "sampler": config.sampler.use,
        "steps": config.sample.steps,
        **(
            {"resampling_steps": config.sample.resampling_steps}
            if config.sample.resampling_steps > 1
            else {}
        ),
        "guidance": getattr(config.guidance.options, "scale", config.guidance.use),
        **({"guidances": ", ".join(further)} if (further := _further(config)) else {}),
        **({"level": request.level} if len(request.low) else {}),
        **(
            {"experts": ", ".join(f"{other}@{below:g}" for below, other in request.experts)}
            if request.experts
            else {}
        ),
    }


def _further(config: Config) -> list[str]:
    """The guidances after the first."""
    return [part.use for part in config.guidances.values() if part.use != NONE]


def loaded_experts(request: Request, parts: Registry) -> Iterator[Expert]:
    """The experts that a request names, on its device."""
    from ..assemble import load_stage  # torch
    from ..expert import Expert

    for below, path in request.experts:
        loaded = load_stage(
            path, parts, device=request.device, precision=request.precision, ema=request.ema
        )
        yield Expert(below, loaded.denoiser, loaded.process.density)
