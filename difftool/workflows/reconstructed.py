"""An autoencoder is measured by what it makes of examples of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import UsageError
from .chain_stage import ChainStage
from .reference import ReferenceData
from .reporter import Reporter
from .sample import Samples

if TYPE_CHECKING:
    from ..plugin.registry import Registry

MADE = "reconstructed"
"""The key under which the source of reconstructed examples is reported."""


def is_autoencoder(config: Config, parts: Registry) -> bool:
    """Whether the model of a configuration makes reconstructions, and no samples.

    Raises UsageError if it makes neither.
    """
    objective = parts.load(parts.get("objective", config.objective.use))
    if not objective.generative and not objective.previews:
        raise UsageError(
            f"A model of the objective {config.objective.use} makes neither samples nor "
            "reconstructions that could be measured. Its losses are in metrics.jsonl of its run."
        )
    return not objective.generative


def reconstructed(
    stage: ChainStage, data: ReferenceData, parts: Registry, reporter: Reporter
) -> Samples:
    """Reconstructions of the first examples of the data, at most half of them, in raw units.

    ``low`` holds the examples themselves.
    """
    from ..assemble import load_stage  # torch
    from ..engine.generate import Generated
    from ..engine.reconstruct import reconstructions

    request = stage.request
    loaded = load_stage(
        stage.model.path, parts, device=request.device, ema=request.ema, config=stage.config
    )
    n = min(request.n, len(data.examples) // 2)
    made = reconstructions(loaded, data.examples[:n], request.seed)
    pairs = list(reporter.counted(made, n, "reconstructing"))
    rows = data.conditions(stage, n) if stage.settable else [dict(row) for row in data.columns[:n]]
    generated = [
        Generated(i, back, row) for i, ((_, back), row) in enumerate(zip(pairs, rows, strict=True))
    ]
    info = {"model": str(stage.model.path), "seed": request.seed, MADE: data.source}
    return Samples(generated, loaded.modality, stage.shape, info, [given for given, _ in pairs])


def reconstruction_rows(samples: Samples) -> list[dict[str, Any]]:
    """The distance of reconstructions from their examples."""
    from ..metrics.reconstruction import reconstruction_numbers  # torch

    return [
        {
            "metric": "reconstruction",
            "name": name,
            "samples": value,
            "samples_error": error,
            "data": None,
            "data_error": None,
            "needed": None,
        }
        for name, (value, error) in reconstruction_numbers(samples.low, samples.examples).items()
    ]
