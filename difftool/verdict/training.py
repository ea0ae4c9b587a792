"""What the losses and the settings of a run say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .diagnosis import Diagnosis

FEWEST = 8
"""Logged losses in the second half of a run, below which nothing is said of its end."""

FALLING = 0.02
"""Share by which the loss would fall with twice the steps, from which on that is worth while."""

SURE = 2.5
"""Standard errors that a trend is away from none."""

RISEN = 1.3
"""Ratio of the last loss to the least one from which on a run has diverged."""

DEFAULT_LR = 1e-3
"""A learning rate that is high for most networks."""


@dataclass(frozen=True)
class TrainingFacts:
    """What a verdict needs to know of a run.

    Attributes:
        resume: the command that continues it, such as ``difftool resume runs/a``.
        rows: the logged rows, oldest first.
        count: number of examples of the data.
        batch: examples of a step.
        lr: the learning rate of the settings.
        halflives: of the averages of the weights, in examples.
        rampup: their largest half-life, as a share of the examples seen; 0 for no limit.
    """

    resume: str
    rows: Sequence[Mapping[str, Any]] = ()
    count: int = 0
    batch: int = 1
    lr: float | None = None
    halflives: Sequence[float] = field(default=())
    rampup: float = 0.0

    @property
    def steps(self) -> int:
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def epochs(self) -> float:
        """How often each example was seen."""
        return self.steps * self.batch / max(1, self.count)


def of_training(facts: TrainingFacts) -> list[Diagnosis]:
    """What is wrong with a run, by its losses and settings; empty if it has not begun."""
    if not facts.steps:
        return []
    return [*_not_finite(facts), *_diverged(facts), *_unfinished(facts), *_average(facts)]


def is_falling(facts: TrainingFacts) -> bool:
    """Whether more steps would help."""
    return any(one.kind == "undertrained" for one in of_training(facts))


def _not_finite(facts: TrainingFacts) -> Iterator[Diagnosis]:
    for row in facts.rows:
        if (loss := row["loss"]) is not None and not math.isfinite(loss):
            yield Diagnosis(
                "error",
                "not finite",
                f"The loss is {loss} since step {row['step']:,}.",
                f"The learning rate is probably too high: halve it, with {_lower(facts)}.",
            )
            return


def _diverged(facts: TrainingFacts) -> Iterator[Diagnosis]:
    points = _points(facts)
    size = max(3, len(points) // 10)
    if len(points) < 2 * FEWEST:
        return
    means = [
        statistics.fmean(loss for _, loss in points[at : at + size])
        for at in range(len(points) - size + 1)
    ]
    best = min(range(len(means)), key=means.__getitem__)
    if means[best] > 0 and means[-1] > RISEN * means[best]:
        yield Diagnosis(
            "error",
            "diverged",
            f"The loss rose from {means[best]:.4g} at step {points[best][0]:,} to "
            f"{means[-1]:.4g} at the end.",
            f"The learning rate is probably too high: start again with {_lower(facts)}.",
        )


def _unfinished(facts: TrainingFacts) -> Iterator[Diagnosis]:
    half = [(step, loss) for step, loss in _points(facts) if step > facts.steps / 2]
    if len(half) < FEWEST:
        yield Diagnosis(
            "note",
            "too short",
            f"The run has {facts.steps:,} steps, in which each example was seen "
            f"{facts.epochs:.3g} times: too few logged losses to tell whether it still falls.",
            "Log more often, with --set train.log_every=10, or train longer.",
        )
        return
    slope, error = trend([math.log(step) for step, _ in half], [loss for _, loss in half])
    mean = statistics.fmean(loss for _, loss in half)
    fall, spread = (-math.log(2) * slope / abs(mean), math.log(2) * error / abs(mean))
    if fall > FALLING and fall > SURE * spread:
        yield Diagnosis(
            "warning",
            "undertrained",
            f"The loss still falls: twice the steps would bring it down by about {fall:.1%} "
            f"± {spread:.1%}.",
            f"Train longer: {facts.resume} --steps {2 * facts.steps}.",
        )
    elif fall < SURE * spread or fall < FALLING:
        yield Diagnosis(
            "ok",
            "trained",
            f"The loss hardly falls any more: by {max(0.0, fall):.1%} ± {spread:.1%} with twice "
            "the steps.",
        )


def _average(facts: TrainingFacts) -> Iterator[Diagnosis]:
    seen = facts.steps * facts.batch
    if facts.rampup or not facts.halflives:
        return
    if (shortest := min(facts.halflives)) > seen / 4:
        yield Diagnosis(
            "warning",
            "average too long",
            f"The average of the weights has a half-life of {shortest:,.0f} examples, and the run "
            f"has seen {seen:,}: samples come from weights of its beginning.",
            f"Set --set ema.halflife={max(1, seen // 20)}, or ema.rampup=0.05.",
        )


def trend(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """The slope of the least-squares line, and its standard error."""
    n, mean_x, mean_y = len(x), statistics.fmean(x), statistics.fmean(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread
    rest = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y, strict=True))
    return slope, math.sqrt(rest / (n - 2) / spread)


def _points(facts: TrainingFacts) -> list[tuple[int, float]]:
    found = [(int(row["step"]), row["loss"]) for row in facts.rows if row["loss"] is not None]
    return [(step, loss) for step, loss in found if math.isfinite(loss)]


def _lower(facts: TrainingFacts) -> str:
    return f"--lr {(facts.lr or DEFAULT_LR) / 2:g}"
