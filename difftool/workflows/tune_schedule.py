"""Find the noise levels that suit a model at a number of steps: align your steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UsageError
from .chain import chain_of
from .job import prepared
from .lacking import refuse_without_noise
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
    lowest: float | None,
    nats: bool,
    request: Request,
    path: Path | None,
    parts: Registry,
    reporter: Reporter,
) -> dict[str, Any]:
    """The best levels for a sampler of ``steps`` steps, on ``request.n`` examples.

    The sampler is the model's, or that of ``request.sets``: one of first order holds an estimate,
    the others extrapolate from two.

    Args:
        lowest: the last level before 0; None for that below which training draws a hundredth of its
            levels. Estimates below it were hardly trained.
        nats: whether to minimise the bound of the divergence in nats, in place of the errors in the
            units of the data.

    Returns:
        the model, ``sampler``, the ``levels`` without the last 0, the ``cost`` of them, and
        ``usual``, the cost of the levels of the model's own schedule.
    """
    from ..engine.align import best_levels, cost_of, extrapolated, held  # torch
    from ..samplers.order import stated_order

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
    refuse_without_noise(
        [stage.config], "a schedule of noise levels", "Its steps of degradation are even.", parts
    )
    data = reference_data(stage.config, parts, Reference(path, request.n), request.seed, reporter)
    if not len(data.examples):
        raise DataError(f"{data.source} has no examples to find levels with.")
    job = prepared(stage, parts)
    schedule = job.stage.process.schedule
    if lowest is None:
        lowest = _lowest_trained(job.stage)
    low, high = max(lowest, schedule.sigma_min), schedule.sigma_max
    if low >= high / 2:
        raise UsageError(
            f"--lowest {lowest:g} leaves no levels below {high:g}, the highest level of the model. "
            "Choose a level near the smallest details that matter, in model units."
        )
    grid = [low * (high / low) ** (i / (GRID - 1)) for i in range(GRID)]
    conditions = data.conditions(stage, len(data.examples))
    found = _products(job.stage, data.examples, conditions, grid, request, reporter)
    first, then = held(found, grid, float(nats)), None
    order = stated_order(job.stage.sampler, job.stage.knobs)
    if order is None or order > 1:
        then = extrapolated(found, grid, float(nats))
    places, cost = best_levels(first, then, steps)
    return {
        "model": str(stage.model.path),
        "sampler": stage.config.sampler.use,
        "examples": len(data.examples),
        "steps": steps,
        "levels": [float(f"{grid[place]:.5g}") for place in places],
        "cost": cost,
        "usual": cost_of(first, then, grid, schedule.sigmas(steps)[:-1]),
    }


def _lowest_trained(stage: Any) -> float:
    """The level below which a hundredth of the training levels lie."""
    from ..rng import Stream

    drawn = stage.process.density.draw(10_000, Stream(0, "lowest trained")).double()
    return float(drawn.quantile(0.01))


def _products(
    stage: Any,
    examples: Any,
    conditions: Any,
    grid: list[float],
    request: Request,
    report: Reporter,
) -> Any:
    """The mean products of D at the levels of the grid, over all examples."""
    import torch

    from ..conditioners.mask import told  # torch
    from ..engine.align import products
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
            found = products(denoise, batch.x, grid, space, rng, batch.mask).cpu()
        total = total + found * len(raw.x) / len(examples)
    return total
