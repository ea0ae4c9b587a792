"""Find the sampler, its schedule, the guidance and the average that suit a model at a number of
evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.layers import parse_value
from ..engine.folder import RunFolder
from ..files import replacing
from ..header import MODEL
from .averages import averages_of
from .bench import Bench, Candidate, bench_of, halved, scored, single_stage
from .chain_stage import ChainStage
from .reporter import Reporter
from .request import Request
from .tune_schedule import GRID, tune_schedule
from .tuned import TUNED

if TYPE_CHECKING:
    from ..plugin.registry import Registry

FIGURE = "tuned.png"
"""In the run's folder: the distance against the evaluations."""

SOLVERS = (
    ("sampler.use=euler",),
    ("sampler.use=dpmpp_2m",),
    ("sampler.use=dpmpp_2m_sde",),
    ("sampler.use=dpmpp_3m_sde",),
    ("sampler.use=unipc", "sampler.order=2"),
    ("sampler.use=unipc", "sampler.order=3"),
    ("sampler.use=deis",),
    ("sampler.use=sa_solver",),
)
"""Samplers of one evaluation a step, so that the steps are the evaluations."""

LOWEST = (1.0, 10.0)
"""Lowest level of a candidate's schedule, over that of the model's own."""

EXAMPLES = 64
"""Examples on which levels are aligned."""

MOST_ALIGNED = GRID // 2
"""Steps up to which they are: with more, the levels hardly matter."""

SCALES = (1.0, 1.25, 1.5, 2.0, 3.0)
WIDTHS = (0.03, 0.05, 0.075, 0.1, 0.15, 0.2)


def tune_sampler(
    word: str,
    evaluations: Sequence[int],
    request: Request,
    path: Path | None,
    parts: Registry,
    reporter: Reporter,
    keep: bool = True,
) -> dict[str, Any]:
    """The best settings for each number of evaluations, on at most ``request.n`` samples each.

    Args:
        path: data to compare with; None for the training data, of which the judge has not seen a
            part.
        keep: whether to store them in the model, where ``sample --steps N`` finds them.

    Returns:
        the model; ``figure``; and ``found``, for each number the settings, the distance and its
        error, those of the model's own settings, and how many candidates were tried.

    Raises:
        UsageError: the model refines another's samples.
        DataError: there are too few data to train a judge on.
    """
    stage = single_stage(word, request, parts, reporter)
    bench = bench_of(word, stage, request, path, parts, reporter)
    found = [_tuned(bench, stage, steps, request, path) for steps in evaluations]
    if keep:
        _store(stage.model.path, found)
    figure = _figure(found, bench.log.with_name(FIGURE))
    return {"model": str(stage.model.path), "figure": str(figure), "found": found}


def _tuned(
    bench: Bench, stage: ChainStage, steps: int, request: Request, path: Path | None
) -> dict[str, Any]:
    """The best settings at one number of steps: solver and schedule first, then the rest."""
    n = request.n
    own = stage.config.to_dict()
    named = [(*solver, *levels) for solver in SOLVERS for levels in _schedules(stage, bench.parts)]
    first = [
        Candidate(sets) for sets in dict.fromkeys(changes(sets, own) for sets in named) if sets
    ]
    best = halved(bench, first, steps, n)
    others = [replace(best, ema=width) for width in _widths(stage)]
    others += _aligned(bench, best, steps, request, path)
    if stage.settable and "scale" in type(stage.config.guidance.options).model_fields:
        own = stage.config.guidance.options.model_dump()["scale"]
        others += [
            replace(best, sets=(*best.sets, f"guidance.scale={scale:g}"))
            for scale in SCALES
            if scale != own
        ]
    score = scored(bench, halved(bench, [best, *others], steps, n), steps, n)
    return {
        "evaluations": steps,
        "sets": list(score.best.sets),
        "ema": score.best.ema,
        "distance": score.distance,
        "error": score.error,
        "own_distance": score.own_distance,
        "own_error": score.own_error,
        "candidates": len(first) + len(others) + 1,
        "samples": n,
    }


def changes(sets: Sequence[str], own: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the settings that the model does not have already, so that none is measured under two
    names.

    Args:
        own: the model's configuration: table -> key -> value.
    """
    kept, others = list[str](), set[str]()
    for one in sets:
        name, value = one.split("=", 1)
        table, key = name.split(".")
        if table in others or own.get(table, {}).get(key) != parse_value(value):
            kept.append(one)
            if key == "use":  # the options of another part have other values
                others.add(table)
    return tuple(kept)


def _schedules(stage: ChainStage, parts: Registry) -> Iterator[tuple[str, ...]]:
    """The model's own schedule, and others over its levels."""
    from ..assemble import make_schedule  # torch

    yield ()
    own = make_schedule(stage.config, parts)
    for factor in LOWEST:
        ends = (
            f"schedule.sigma_min={own.sigma_min * factor:.6g}",
            f"schedule.sigma_max={own.sigma_max:.6g}",
        )
        for rho in (3, 5, 7, 10):
            yield ("schedule.use=karras", f"schedule.rho={rho}", *ends)
        yield ("schedule.use=exponential", *ends)


def _aligned(
    bench: Bench, best: Candidate, steps: int, request: Request, path: Path | None
) -> Iterator[Candidate]:
    """The best sampler on levels that are aligned for it."""
    solver = tuple(one for one in best.sets if one.startswith("sampler."))
    if steps <= MOST_ALIGNED:
        asked = replace(request, n=EXAMPLES, sets=solver)
        found = tune_schedule(
            bench.word, steps, None, False, asked, path, bench.parts, bench.reporter
        )
        levels = ",".join(f"{level:g}" for level in found["levels"])
        yield Candidate((*solver, "schedule.use=ays", f"schedule.levels=[{levels}]"))


def _widths(stage: ChainStage) -> list[float]:
    folder = stage.model.path.parent
    if not RunFolder(folder).snapshots():
        return []
    held = averages_of(str(folder))["widths"]
    return [width for width in WIDTHS if 0.5 * min(held) <= width <= 2 * max(held)]


def _store(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """Write the settings into the header of the model file."""
    from ..engine.weights import load_weights, save_weights  # torch

    tensors, about = load_weights(path, MODEL)
    kept = {str(one["evaluations"]): {"sets": one["sets"], "ema": one["ema"]} for one in found}
    save_weights(path, MODEL, tensors, {**about, TUNED: {**about.get(TUNED, {}), **kept}})


def _figure(found: Sequence[dict[str, Any]], path: Path) -> Path:
    """Distance against evaluations, before and after."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(6, 3.5), layout="constrained")
    axes = canvas.add_subplot(
        xlabel="evaluations", ylabel="distance to the data", xscale="log", yscale="log"
    )
    steps = [one["evaluations"] for one in found]
    for name, label in (("own_", "the model's own settings"), ("", "tuned")):
        values = [max(one[f"{name}distance"], 1e-6) for one in found]
        errors = [one[f"{name}error"] for one in found]
        errors = [error if error == error else 0.0 for error in errors]
        axes.errorbar(steps, values, errors, marker="o", capsize=3, label=label)
    axes.set_xticks(steps, [str(n) for n in steps])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    with replacing(path) as partial:
        canvas.savefig(partial, format="png")
    return path
