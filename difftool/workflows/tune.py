"""The level of noise at which each stage of a cascade refines best, found and kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..config.cascade import unknown_stage
from ..engine.folder import CASCADE, find_run, is_cascade
from ..errors import DataError, Interrupted, Terminated, UsageError
from ..files import write_text
from .cascade import kept_stages
from .chain import Chain, ChainRequest, chain_of
from .compatible import beyond
from .link import Conditions, Link, handed
from .plan import to_toml
from .reference import Against, Drawn, drawn_from
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..engine.tune import Tried
    from ..plugin.registry import Registry


METRIC, NUMBER = "patches", "distance"
"""By which levels are compared."""

LEVELS = 6
"""That are tried, where none are named."""

MOST = 1000
"""Examples of the data that samples are compared with."""


@dataclass(frozen=True)
class Trial:
    """A stage that is tuned.

    Attributes:
        levels: to try.
        data: of its first examples as many as there are samples are degraded and refined, and the others compared with.
    """

    link: Link
    levels: Sequence[float]
    data: Drawn


@dataclass(frozen=True)
class Tuned:
    """What was found of a stage.

    Attributes:
        best: the level to sample at.
        floor: the distance of the data from itself, of as many examples as were refined.
    """

    trial: Trial
    tried: Sequence[Tried]
    best: Tried
    floor: float


def _found(stages: Iterator[Tuned], root: Path, dry_run: bool) -> list[dict[str, Any]]:
    """What is found, stage by stage; whoever stops it is told what is kept."""
    found = list[dict[str, Any]]()
    try:
        for one in stages:
            found.append(_shown(one))
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        done = ", ".join(f"{one['stage']} at {one['level']:g}" for one in found)
        raise kind(f"Stopped. Kept in {root}: {done}." if done and not dry_run else f"Stopped. Nothing in {root} was changed.") from None
    return found


def tune_cascade(
    word: str, only: str | None, levels: Sequence[float], request: Request, against: Against, parts: Registry, reporter: Reporter, keep: bool = True
) -> dict[str, Any]:
    """The level at which each stage of a cascade refines best, kept in its folder; returns what was found.

    Args:
        word: the cascade's folder or its name.
        only: one stage of it; None for each that refines.
        levels: to try; none for ``LEVELS`` of them, from 0 to the highest that a stage was trained with.
        against: the data to compare with, ``MOST`` examples of it more than are refined.
    """
    root = _cascade(word)
    chain = chain_of(ChainRequest([str(root)], _until(root, only, parts)), request, parts, reporter)
    _refuse_unmeasured(chain, parts)
    chain, trials = _trials(chain, only, levels, replace(against, most=request.n + MOST), parts, reporter)
    found = _found(tuned(chain, trials, parts, reporter, root if keep else None), root, not keep)
    return {"cascade": str(root), "stages": found}


def _cascade(word: str) -> Path:
    if Path(word).is_file() or not is_cascade(folder := find_run(word)):
        raise UsageError(
            f"{word} is no cascade's folder, in which what is found could be kept. Name one, such as difftool train CASCADE.toml makes; of "
            "runs that are in none, try levels with difftool evaluate and --set stage.NAME.level=X."
        )
    return folder


def _until(root: Path, only: str | None, parts: Registry) -> str:
    """The last stage that is needed. Raises UsageError where there is none of that name, or it refines nothing."""
    names = [stage.name for stage in kept_stages(root, parts)]
    if only is not None and only not in names:
        raise UsageError(f"--stage {only}: {unknown_stage(only, names)}")
    if (only or names[-1]) == names[0]:
        raise UsageError(f"{names[0]} refines nothing, so there is no level to find: that is noise on what a stage is shown.")
    return only or names[-1]


def _refuse_unmeasured(chain: Chain, parts: Registry) -> None:
    name = chain.links[0].config.modality.use
    if METRIC not in parts.metrics(name):
        raise UsageError(
            f"Levels are compared by the metric {METRIC}, which does not apply to {name}. Try them by its own metrics, with difftool "
            "evaluate and --set stage.NAME.level=X, and write the best into the cascade's file: level = X."
        )


def _trials(
    chain: Chain, only: str | None, asked: Sequence[float], against: Against, parts: Registry, reporter: Reporter
) -> tuple[Chain, dict[str, Trial]]:
    """What to do at each stage, by its name, and the chain with no more samples than can be compared. Raises before any is made."""
    wanted = [link for link in chain.links if link.bridge is not None and only in (None, link.name)]
    levels = [_levels_of(link, asked) for link in wanted]
    trials = {
        link.name: Trial(link, some, drawn_from(link.config, parts, against, link.request.seed, reporter))
        for link, some in zip(wanted, levels, strict=True)
    }
    fewest = min((trial.data for trial in trials.values()), key=lambda data: len(data.examples))
    if len(fewest.examples) < 2:
        raise DataError(f"{fewest.source} holds one example: at least 2 are wanted, one to refine and one to compare with.")
    n = min(chain.n, len(fewest.examples) // 2)
    for name, trial in trials.items():
        trained = "" if against.path else ", on which it was trained: name others as DATA to hold them out"
        reporter.say(f"{name}: {n} samples at each level, against {len(trial.data.examples) - n:,} of {trial.data.source}{trained}")
    return replace(chain, links=[replace(link, request=replace(link.request, n=n)) for link in chain.links]), trials


def _levels_of(link: Link, asked: Sequence[float]) -> list[float]:
    """The levels to try at a stage. Raises UsageError where it was not trained with them."""
    from ..engine.tune import evenly

    assert link.bridge is not None  # it refines
    if not link.bridge.max_aug_level:
        return [0.0]
    for level in asked:
        if told := beyond(level, link.bridge):
            raise UsageError(f"--levels: {link.name}: {told} --stage NAME tunes one stage alone.")
    return list(asked) or evenly(link.bridge.max_aug_level, LEVELS)


def tuned(chain: Chain, trials: Mapping[str, Trial], parts: Registry, reporter: Reporter, root: Path | None) -> Iterator[Tuned]:
    """Each stage in turn: what it makes at the level that was found is what the next one refines.

    Args:
        root: the cascade's folder, in which each level is kept as soon as it is found; None to keep none.
    """
    made: Sequence[Generated] = []
    for number, link in enumerate(chain.links):
        reporter.say(f"{link.name}:")
        low, told = [one.example for one in made], [one.cond for one in made]
        if link.name not in trials:
            made = _made(chain, number, parts, reporter, low, told)
            continue
        found = _tuned(chain, number, trials[link.name], parts, reporter, low, told)  # a function of its own: it leaves the device empty
        if root is not None and link.bridge is not None and link.bridge.max_aug_level:
            _keep(root, link.name, found.best.level, parts)
        made = found.best.made
        yield found


def _made(
    chain: Chain, number: int, parts: Registry, reporter: Reporter, low: Sequence[np.ndarray], told: Sequence[Conditions]
) -> list[Generated]:
    """A stage's samples at the level that its cascade says."""
    from ..engine.generate import generate

    made = chain.job(number, parts, low, told)
    return list(reporter.counted(generate(made.stage, made.request), made.request.n, "sampling"))


def _tuned(
    chain: Chain, number: int, trial: Trial, parts: Registry, reporter: Reporter, low: Sequence[np.ndarray], told: Sequence[Conditions]
) -> Tuned:
    from ..assemble import make_metric
    from ..engine.consistency import degraded
    from ..engine.tune import best, sweep

    link, n = trial.link, chain.n
    assert link.bridge is not None  # it refines
    made = chain.job(number, parts, low, told)
    metric = make_metric(Part(METRIC, parts.options(parts.get("metric", METRIC))()), parts, link.model.description)
    held, others = trial.data.examples[:n], trial.data.examples[n:]

    def distance(examples: Sequence[np.ndarray]) -> float:
        return metric.measure(examples, others)[NUMBER]

    def counted(drawn: Iterable[Generated], count: int, level: float) -> Iterable[Generated]:
        return reporter.counted(drawn, count, f"sampling at level {level:g}")

    request = replace(made.request, low=degraded(link.bridge, held), cond=handed(link, trial.data.told(link, n)))
    tried = list(sweep(made.stage, made.request, request, trial.levels, distance, counted))
    return Tuned(trial, tried, best(tried), distance(held))


def _keep(root: Path, name: str, level: float, parts: Registry) -> None:
    """Write a stage's level into the cascade's folder, which may have changed since it was read."""
    stages = kept_stages(root, parts)
    write_text(root / CASCADE, to_toml(replace(stage, level=level) if stage.name == name else stage for stage in stages))


def _shown(found: Tuned) -> dict[str, Any]:
    """What was found of a stage, as JSON."""
    from ..engine.tune import error_between

    nearest = min(found.tried, key=lambda one: one.distance)
    return {
        "stage": found.trial.link.name,
        "level": found.best.level,
        "level_before": found.trial.link.request.level,
        "samples": len(found.best.made),
        "against": {"source": found.trial.data.source, "count": len(found.trial.data.examples) - len(found.best.made)},
        "distance_of_data": found.floor,
        "levels": [
            {
                "level": one.level,
                "consistency": one.consistency if math.isfinite(one.consistency) else None,
                "distance": one.distance,
                "error": error_between(one, nearest),
                "distance_of_degraded": one.degraded,
            }
            for one in found.tried
        ],
    }
