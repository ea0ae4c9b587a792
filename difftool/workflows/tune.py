"""Find the noise level at which each stage of a cascade refines best, and save it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..config.cascade import require_stage
from ..engine.folder import find_run, is_cascade
from ..errors import DataError, Interrupted, Terminated, UsageError
from ..plugin.spec import MetricSpec
from .cascade import Cascade
from .chain import Chain, chain_of
from .chain_stage import ChainStage, Conditions, passed_on
from .compatible import check_level
from .reference import Reference, ReferenceData, reference_data
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..engine.tune import Candidate
    from ..plugin.registry import Registry


LEVELS = 6
"""Number of levels to try, unless the user names levels."""

MOST = 1000
"""Examples of the data that samples are compared with."""


@dataclass(frozen=True)
class Sweep:
    """A stage to tune, and then what was found.

    Attributes:
        levels: the levels to try.
        data: the first examples, as many as there are samples, are degraded and refined; the
            samples are compared with the others.
        candidates: one for each level, once it has been tried.
        best: the candidate whose level is to be used.
        floor: distance of the data from itself, with as many examples as were refined.
    """

    stage: ChainStage
    levels: Sequence[float]
    data: ReferenceData
    candidates: Sequence[Candidate] = ()
    best: Candidate | None = None
    floor: float = math.nan


def tune_cascade(
    cascade: Cascade,
    only: str | None,
    levels: Sequence[float],
    request: Request,
    against: Reference,
    parts: Registry,
    reporter: Reporter,
    keep: bool = True,
) -> dict[str, Any]:
    """Find the best level for each stage that refines, and save it in the cascade's folder.

    Args:
        only: one stage; None for each stage that refines.
        levels: the levels to try; empty for ``LEVELS`` of them, from 0 to the highest trained one.
        against: the data to compare with; ``MOST`` examples more than are refined are read.
        keep: whether to save the levels.

    Returns:
        the folder, and the results of each stage.
    """
    until = _last_stage(cascade, only)
    request = replace(request, words=[str(cascade.root)], until=until)
    chain = chain_of(request, parts, reporter)
    compared_by(chain, parts)
    against = replace(against, most=request.n + MOST)
    chain, sweeps = _sweeps(chain, only, levels, against, parts, reporter)
    found = tuned(chain, sweeps, parts, reporter, cascade.root if keep else None)
    return {"cascade": str(cascade.root), "stages": _results(found, cascade.root, keep)}


def tunable_cascade(word: str, parts: Registry) -> Cascade:
    """The trained cascade that a word names. Raises UsageError."""
    if Path(word).is_file() or not is_cascade(folder := find_run(word)):
        raise UsageError(
            f"{word} is not a cascade folder, so there is nowhere to save the tuned levels. Pass a "
            "folder that `difftool train CASCADE.toml` created. For separate runs, try levels with "
            "`difftool evaluate` and --set stage.NAME.level=X."
        )
    return Cascade.open(folder, parts)


def _results(sweeps: Iterator[Sweep], root: Path, keep: bool) -> list[dict[str, Any]]:
    """The results, stage by stage. An interruption says which levels are saved."""
    found = list[dict[str, Any]]()
    try:
        for sweep in sweeps:
            found.append(_shown(sweep))
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        done = ", ".join(f"{one['stage']} at {one['level']:g}" for one in found)
        saved = f"Saved in {root}: {done}." if done and keep else f"Nothing in {root} was changed."
        raise kind(f"Stopped. {saved}") from None
    return found


def _last_stage(cascade: Cascade, only: str | None) -> str:
    """The last stage that is needed.

    Raises UsageError where it does not exist or refines nothing.
    """
    names = cascade.names
    if only is not None:
        require_stage(f"--stage {only}", only, names)
    last = only or names[-1]
    if last == names[0]:
        raise UsageError(
            f"{last} refines nothing, so it has no level to tune: a level is noise on a stage's "
            "input."
        )
    return last


def compared_by(chain: Chain, parts: Registry) -> MetricSpec:
    """The metric that compares levels: the modality's first one with a distance from the data.

    Raises UsageError if there is none.
    """
    name = chain.stages[0].config.modality.use
    for metric in parts.metrics(name):
        spec = parts.get("metric", metric)
        if isinstance(spec, MetricSpec) and spec.distance:
            return spec
    raise UsageError(
        f"Levels are compared by a metric that is a distance from the data, and {name} has none. "
        "Try levels with `difftool evaluate` and --set stage.NAME.level=X, and write the best one "
        "into the cascade file: level = X."
    )


def _sweeps(
    chain: Chain,
    only: str | None,
    asked: Sequence[float],
    against: Reference,
    parts: Registry,
    reporter: Reporter,
) -> tuple[Chain, dict[str, Sweep]]:
    """The sweep of each stage, by its name, and the chain with no more samples than can be
    compared.

    Raises before any sample is drawn.
    """
    wanted = [
        stage for stage in chain.stages if stage.bridge is not None and only in (None, stage.name)
    ]
    levels = [_levels_of(stage, asked) for stage in wanted]
    sweeps = {
        stage.name: Sweep(
            stage, some, reference_data(stage.config, parts, against, stage.request.seed, reporter)
        )
        for stage, some in zip(wanted, levels, strict=True)
    }
    fewest = min((sweep.data for sweep in sweeps.values()), key=lambda data: len(data.examples))
    if len(fewest.examples) < 2:
        raise DataError(
            f"{fewest.source} holds one example. At least 2 are needed: one to refine and one to "
            "compare with. Name more data as DATA."
        )
    n = min(chain.n, len(fewest.examples) // 2)
    for name, sweep in sweeps.items():
        others = f"{len(sweep.data.examples) - n:,} examples of {sweep.data.source}"
        reporter.say(f"{name}: {n} samples at each level are compared with {others}.")
    if not against.path:
        reporter.say("These are training data. To compare with held-out data, name it as DATA.")
    stages = [replace(stage, request=replace(stage.request, n=n)) for stage in chain.stages]
    return replace(chain, stages=stages), sweeps


def _levels_of(stage: ChainStage, asked: Sequence[float]) -> list[float]:
    """The levels to try at a stage. Raises UsageError where it was not trained with them."""
    from ..engine.tune import evenly  # torch

    assert stage.bridge is not None  # it refines
    if not stage.bridge.max_aug_level:
        return [0.0]
    for level in asked:
        check_level(
            level, stage.bridge, f"--levels: {stage.name}: ", " --stage NAME tunes only one stage."
        )
    return list(asked) or evenly(stage.bridge.max_aug_level, LEVELS)


def tuned(
    chain: Chain,
    sweeps: Mapping[str, Sweep],
    parts: Registry,
    reporter: Reporter,
    root: Path | None,
) -> Iterator[Sweep]:
    """Each stage in turn. The next stage refines the samples of the best level.

    Args:
        root: the cascade's folder, in which each level is saved as soon as it is found; None to
            save none.
    """
    samples: Sequence[Generated] = []
    for number, stage in enumerate(chain.stages):
        reporter.say(f"{stage.name}:")
        low, conds = [one.example for one in samples], [one.cond for one in samples]
        if stage.name not in sweeps:
            samples = _samples(chain, number, parts, reporter, low, conds)
            continue
        # a function of its own, so that the model leaves the device
        found = _swept(chain, number, sweeps[stage.name], parts, reporter, low, conds)
        assert found.best is not None
        if root is not None and stage.bridge is not None and stage.bridge.max_aug_level:
            # read again: the folder may have changed since
            Cascade.open(root, parts).with_level(stage.name, found.best.level).save()
        samples = found.best.made
        yield found


def _samples(
    chain: Chain,
    number: int,
    parts: Registry,
    reporter: Reporter,
    low: Sequence[np.ndarray],
    conds: Sequence[Conditions],
) -> list[Generated]:
    """The samples of a stage at the level of its cascade."""
    from ..engine.generate import generate  # torch

    job = chain.job(number, parts, low, conds)
    return list(reporter.counted(generate(job.stage, job.request), job.request.n, "sampling"))


def _swept(
    chain: Chain,
    number: int,
    sweep: Sweep,
    parts: Registry,
    reporter: Reporter,
    low: Sequence[np.ndarray],
    conds: Sequence[Conditions],
) -> Sweep:
    """The sweep with its candidates, of which one is the best."""
    from ..assemble import make_metric  # torch
    from ..engine import tune
    from ..engine.consistency import degraded

    stage, n = sweep.stage, chain.n
    assert stage.bridge is not None  # it refines
    job = chain.job(number, parts, low, conds)
    spec = compared_by(chain, parts)
    options = parts.options(spec)()
    metric = make_metric(Part(spec.name, options), parts, stage.model.description)
    held, others = sweep.data.examples[:n], sweep.data.examples[n:]

    def distance(examples: Sequence[np.ndarray]) -> float:
        found = metric.measure(examples, others)[spec.distance]
        return found if math.isfinite(found) else math.inf  # nothing in common with the data

    def counted(drawn: Iterable[Generated], count: int, level: float) -> Iterable[Generated]:
        return reporter.counted(drawn, count, f"sampling at level {level:g}")

    cond = passed_on(stage, sweep.data.conditions(stage, n))
    on_data = replace(job.request, low=degraded(stage.bridge, held), cond=cond)
    found = list(tune.sweep(job.stage, job.request, on_data, sweep.levels, distance, counted))
    return replace(sweep, candidates=found, best=tune.best(found), floor=distance(held))


def _shown(sweep: Sweep) -> dict[str, Any]:
    """The results of a stage, as JSON."""
    from ..engine.tune import error_between  # torch

    assert sweep.best is not None
    nearest = min(sweep.candidates, key=lambda one: one.distance)
    count = len(sweep.best.made)
    return {
        "stage": sweep.stage.name,
        "level": sweep.best.level,
        "level_before": sweep.stage.level,
        "samples": count,
        "against": {"source": sweep.data.source, "count": len(sweep.data.examples) - count},
        "distance_of_data": _finite(sweep.floor),
        "levels": [
            {
                "level": one.level,
                "consistency": _finite(one.consistency),
                "distance": _finite(one.distance),
                "error": error_between(one, nearest),
                "distance_of_degraded": _finite(one.degraded),
            }
            for one in sweep.candidates
        ],
    }


def _finite(value: float) -> float | None:
    """None for NaN and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None
