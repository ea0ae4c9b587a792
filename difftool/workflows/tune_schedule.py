"""Find the noise levels that suit a model at a number of steps: align your steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError
from .chain import chain_of
from .job import prepared
from .reference import Reference, reference_data
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    from ..plugin.registry import Registry

GRID = 96
"""Levels of the grid, evenly spaced in ln sigma, from which the best are chosen."""


def tune_schedule(
    word: str,
    steps: int,
    lowest: float,
    request: Request,
    path: Path | None,
    parts: Registry,
    reporter: Reporter,
) -> dict[str, Any]:
    """The best levels for a sampler of ``steps`` steps, on ``request.n`` examples.

    Args:
        lowest: the last level before 0. The bound counts differences in units of the noise, so
            details far below the data's scale would otherwise take most of the steps.

    Returns:
        the model, the ``levels`` without the last 0, the ``bound`` of the divergence for them, and
        ``usual``, the bound for the levels of the model's own schedule.
    """
    from ..engine.align import best_levels, cost_of, costs  # torch

    if not 2 <= steps <= GRID // 2:
        raise UsageError(
            f"--steps {steps} is not between 2 and {GRID // 2}. With more steps than that, the levels "
            "hardly matter."
        )
    chain = chain_of(replace(request, words=[word]), parts, reporter)
    stage = chain.stages[-1]
    if stage.bridge is not None or len(chain.stages) > 1:
        raise UsageError(
            f"{word} is a cascade or refines the samples of an earlier stage. Name the run of a "
            "first stage: levels are found on the data of a single model."
        )
    data = reference_data(stage.config, parts, Reference(path, request.n), request.seed, reporter)
    if not len(data.examples):
        raise DataError(f"{data.source} has no examples to find levels with.")
    job = prepared(stage, parts)
    schedule = job.stage.process.schedule
    low, high = max(lowest, schedule.sigma_min), schedule.sigma_max
    if low >= high / 2:
        raise UsageError(
            f"--lowest {lowest:g} leaves no levels below {high:g}, the highest level of the model. "
            "Choose a level near the smallest details that matter, in model units."
        )
    grid = [low * (high / low) ** (i / (GRID - 1)) for i in range(GRID)]
    conditions = data.conditions(stage, len(data.examples))
    cost = costs(_distances(job.stage, data.examples, conditions, grid, request, reporter), grid)
    places, bound = best_levels(cost, steps)
    return {
        "model": str(stage.model.path),
        "examples": len(data.examples),
        "steps": steps,
        "levels": [float(f"{grid[place]:.5g}") for place in places],
        "bound": bound,
        "usual": cost_of(cost, grid, schedule.sigmas(steps)[:-1]),
    }


def _distances(
    stage: Any,
    examples: Any,
    conditions: Any,
    grid: list[float],
    request: Request,
    report: Reporter,
) -> Any:
    """The mean of the squared distances of D between the levels of the grid, over all examples."""
    import torch

    from ..conditioners.mask import told  # torch
    from ..engine.align import disagreements
    from ..engine.evaluate import AT_ONCE, conditioned
    from ..guidance.bind import bind
    from ..rng import Stream

    stage.denoiser.eval()
    device = next(stage.denoiser.parameters()).device
    total, starts = torch.zeros(()), range(0, len(examples), AT_ONCE)
    for at in report.counted(starts, len(starts), "evaluating the model"):
        rng = Stream(request.seed, "align", at, device=device)
        chunk = slice(at, at + AT_ONCE)
        raw = stage.modality.collate(list(examples[chunk]), Stream(request.seed, "align", at))
        raw = conditioned(stage, raw, conditions[chunk]).map(lambda x: x.to(device))
        with torch.inference_mode():
            batch = told(stage.description.conditions, stage.representation.encode(raw))
            denoise = bind(stage.denoiser, batch.cond, batch.mask)
            space = stage.representation.space
            found = disagreements(denoise, batch.x, grid, space, rng, batch.mask).cpu()
        total = total + found * len(raw.x) / len(examples)
    return total
