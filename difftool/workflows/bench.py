"""Settings of sampling compared with one another, by successive halving.

Jamieson & Talwalkar 2016, arXiv:1502.07943, Alg. 1: all candidates are measured with a few samples,
the better part of them with twice as many, and so on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..errors import UsageError
from ..header import MODEL, read_about
from ..plain import parse_json
from .chain import chain_of
from .chain_stage import ChainStage
from .judged import judged_look
from .reference import Reference, reference_data
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    from ..plugin.registry import Registry
    from .sample import Samples

LOG = "tune.jsonl"
"""In the run's folder: what was measured."""

METRIC = "frechet"
"""The distance to the data in the features of a judge."""

FEWEST = 32
"""Samples with which a candidate is first measured."""

KEPT = 1 / 3
"""Share of the candidates that is measured with twice as many samples."""


@dataclass(frozen=True)
class Candidate:
    """Settings to sample with; none are the model's own.

    Attributes:
        sets: as of ``--set``.
        ema: relative width of a post-hoc average; None for the model file's.
    """

    sets: tuple[str, ...] = ()
    ema: float | None = None


@dataclass
class Bench:
    """What measures candidates: one after the other, each sample once.

    Attributes:
        distance: samples -> the distance to the data and its standard error.
        log: a file of what was measured, so that a stopped search goes on.
        about: what a line of the log is valid for.
    """

    word: str
    request: Request
    parts: Registry
    reporter: Reporter
    distance: Callable[[Samples], tuple[float, float]]
    log: Path
    about: dict[str, Any]
    known: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.log.exists():
            for line in self.log.read_text(encoding="utf-8").splitlines():
                row = parse_json(line)
                self.known[row["key"]] = (row["distance"], row["error"])

    def measured(self, one: Candidate, steps: int, n: int, start: int = 0) -> tuple[float, float]:
        """The distance of n samples of a candidate, from number ``start`` on, and its standard
        error.
        """
        what = [self.about, list(one.sets), one.ema, steps, n, *([start] if start else [])]
        key = json.dumps(what, sort_keys=True)
        if key not in self.known:
            distance, error = self.distance(self._drawn(one, steps, n, start))
            distance = distance if math.isfinite(distance) else 1e30
            error = error if math.isfinite(error) else 0.0  # unknown for very few samples
            self.known[key] = (distance, error)
            with self.log.open("a", encoding="utf-8") as file:
                row = {"key": key, "distance": distance, "error": error}
                file.write(json.dumps(row) + "\n")
        return self.known[key]

    def _drawn(self, one: Candidate, steps: int, n: int, start: int) -> Samples:
        from .sample import draw  # torch

        asked = replace(
            self.request,
            words=[self.word],
            n=n,
            start=start,
            sets=(f"sample.steps={steps}", *one.sets),
            ema=one.ema,
            tuned=False,
        )
        return draw(chain_of(asked, self.parts, self.reporter), self.parts, self.reporter)


def single_stage(word: str, request: Request, parts: Registry, reporter: Reporter) -> ChainStage:
    """The model that a word names. Raises UsageError where it refines another's samples."""
    chain = chain_of(replace(request, words=[word]), parts, reporter)
    stage = chain.stages[-1]
    if stage.bridge is not None or len(chain.stages) > 1:
        raise UsageError(
            f"{word} is a cascade or refines the samples of an earlier stage. Name the run of a "
            "first stage: settings are compared on a single model."
        )
    return stage


def bench_of(
    word: str,
    stage: ChainStage,
    request: Request,
    path: Path | None,
    parts: Registry,
    reporter: Reporter,
) -> Bench:
    from ..assemble import make_metric, make_modality  # torch
    from ..engine.evaluate import compared_features

    data = reference_data(stage.config, parts, Reference(path), request.seed, reporter)
    modality = make_modality(stage.config, parts)
    look = judged_look(stage, modality, data, reporter)
    options = parts.options(parts.get("metric", METRIC))()
    metric: Any = make_metric(Part(METRIC, options), parts, stage.model.description)
    rows = data.conditions(stage, len(data.examples)) if stage.settable else data.columns
    of_data = look(data.examples, rows, data.numbers)

    def distance(samples: Samples) -> tuple[float, float]:
        features = look(samples.examples, samples.conditions, None)
        (one,) = compared_features({METRIC: metric}, features, of_data)
        if one.missing:
            raise UsageError(one.missing)
        return one.samples["distance"], one.sample_errors.get("distance", math.nan)

    header = read_about(stage.model.path, MODEL)
    about = {"step": header.get("step"), "ema": header.get("ema"), "data": data.content}
    about["seed"] = request.seed
    return Bench(word, request, parts, reporter, distance, stage.model.path.parent / LOG, about)


@dataclass(frozen=True)
class Scored:
    """What was chosen, and the distances of it and of the model's own settings."""

    best: Candidate
    distance: float
    error: float
    own_distance: float
    own_error: float


def scored(bench: Bench, best: Candidate, steps: int, n: int) -> Scored:
    """The best of a search and the model's own settings on n samples that the search has not seen,
    since the least of many distances is partly luck. The own settings win where they are nearer.
    """
    own = bench.measured(Candidate(), steps, n, start=n)
    found = bench.measured(best, steps, n, start=n)
    return Scored(best, *found, *own) if found[0] < own[0] else Scored(Candidate(), *own, *own)


def halved(bench: Bench, candidates: Sequence[Candidate], steps: int, n: int) -> Candidate:
    """The best of the candidates and of the model's own settings, which stay to the end."""
    own, left, count = Candidate(), [Candidate(), *candidates], min(FEWEST, n)
    while True:
        counted = bench.reporter.counted(left, len(left), f"{steps} evaluations, {count} samples")
        ranked = sorted(counted, key=lambda one: bench.measured(one, steps, count)[0])
        if count >= n:
            return ranked[0]
        kept = ranked[: max(2, math.ceil(KEPT * len(ranked)))]
        left = kept if own in kept else [*kept, own]
        count = min(2 * count, n)
