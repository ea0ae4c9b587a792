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

USUAL = {"adamw": (5e-5, 5e-3), "muon": (2e-4, 2e-2)}
"""Between which learning rates most networks learn, by optimizer."""

ABSURD = 10
"""Ratio of a learning rate to the highest usual one, above which it is wrong though the loss falls."""

STUCK = 0.9
"""Ratio of the last loss to the first, above which a run has learnt nothing."""

SHORTEST = 10
"""Steps that an average of the weights should reach back at least."""


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
        optimizer: its name.
        failure: why the run ended early, if numbers were not finite; else empty.
        trained_before: it began with weights of another model, so that its loss need not fall.
        student: its targets change as it learns, and its losses are not of one quantity.
    """

    resume: str
    rows: Sequence[Mapping[str, Any]] = ()
    count: int = 0
    batch: int = 1
    lr: float | None = None
    halflives: Sequence[float] = field(default=())
    rampup: float = 0.0
    optimizer: str = ""
    failure: str = ""
    trained_before: bool = False
    student: bool = False

    @property
    def steps(self) -> int:
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def is_early(self) -> bool:
        """Whether not even every example was seen once, so that little can have been learnt yet."""
        return 0 < self.epochs < 1

    @property
    def epochs(self) -> float:
        """How often each example was seen."""
        return self.steps * self.batch / max(1, self.count)


def of_training(facts: TrainingFacts) -> list[Diagnosis]:
    """What is wrong with a run, by its losses and settings; empty if it has not begun."""
    if not facts.steps:
        return list(_not_finite(facts))
    return [
        *_not_finite(facts),
        *_diverged(facts),
        *_learning_rate(facts),
        *_unfinished(facts),
        *_average(facts),
    ]


def is_falling(facts: TrainingFacts) -> bool:
    """Whether more steps would help."""
    return any(one.kind == "undertrained" for one in of_training(facts))


def _not_finite(facts: TrainingFacts) -> Iterator[Diagnosis]:
    fact = facts.failure
    for row in facts.rows:
        if not fact and (loss := row["loss"]) is not None and not math.isfinite(loss):
            fact = f"The loss is {loss} since step {row['step']:,}."
    if not fact:
        return
    sure = "" if _is_high(facts) else "probably "
    yield Diagnosis(
        "error",
        "not finite",
        fact,
        f"The learning rate is {sure}too high: lower it, or clip gradients with --set "
        "train.clip=0.5.",
        f"difftool train … {_lower(facts)}",
        weight=1.0,
    )


def _diverged(facts: TrainingFacts) -> Iterator[Diagnosis]:
    points = _points(facts)
    size = max(3, len(points) // 10)
    if len(points) < 2 * FEWEST or facts.student:
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
            weight=0.95,
        )


def _learning_rate(facts: TrainingFacts) -> Iterator[Diagnosis]:
    """A rate far from the usual, where the loss looks like it."""
    points = _points(facts)
    if facts.optimizer not in USUAL or facts.lr is None or len(points) < 4:
        return
    low, high = USUAL[facts.optimizer]
    first, last = points[0][1], statistics.median(loss for _, loss in points[-3:])
    fell = f"The loss went from {first:.4g} to {last:.4g} in {facts.steps:,} steps"
    stands = last > 0.5 * first and not facts.trained_before
    stuck = last > STUCK * first and not facts.trained_before
    if _is_high(facts) and (stands or facts.lr > ABSURD * high):
        yield Diagnosis(
            "error" if stuck else "warning",
            "learning rate too high",
            f"{fell}, with a learning rate of {facts.lr:g}.",
            f"{facts.optimizer} usually learns with {low:g} to {high:g}.",
            f"difftool train … --lr {(low * high) ** 0.5:.1g}",
            weight=0.98,
        )
    elif facts.lr < low and (stands or _fall(facts)[0] > FALLING):
        yield Diagnosis(
            "error" if stuck else "warning",
            "learning rate too low",
            f"{fell}, with a learning rate of {facts.lr:g}.",
            f"{facts.optimizer} usually learns with {low:g} to {high:g}.",
            f"difftool train … --lr {(low * high) ** 0.5:.1g}",
            weight=0.98,
        )
    elif stuck and len(points) >= FEWEST:
        yield Diagnosis(
            "note" if facts.is_early else "error",
            "learns nothing",
            f"{fell}.",
            "Try another learning rate, and look whether the data and their conditions are what "
            "you expect.",
            f"difftool train … {_lower(facts)}",
            weight=0.7,
        )


def _is_high(facts: TrainingFacts) -> bool:
    return (
        facts.lr is not None
        and facts.optimizer in USUAL
        and facts.lr > 2 * USUAL[facts.optimizer][1]
    )


def _fall(facts: TrainingFacts) -> tuple[float, float]:
    """The share by which twice the steps would lower the loss, and its standard error; NaN where
    too little was logged.
    """
    half = [(step, loss) for step, loss in _points(facts) if step > facts.steps / 2]
    if len(half) < FEWEST:
        return math.nan, math.nan
    slope, error = trend([math.log(step) for step, _ in half], [loss for _, loss in half])
    mean = abs(statistics.fmean(loss for _, loss in half))
    return -math.log(2) * slope / mean, math.log(2) * error / mean


def _unfinished(facts: TrainingFacts) -> Iterator[Diagnosis]:
    if facts.student:
        return
    fall, spread = _fall(facts)
    if math.isnan(fall):
        yield Diagnosis(
            "note",
            "too short",
            f"The run has {facts.steps:,} steps, in which each example was seen "
            f"{facts.epochs:.3g} times: too few logged losses to tell whether it still falls.",
            "Log more often, with --set train.log_every=10, or train longer.",
        )
        return
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
    if not facts.halflives:
        return
    shortest = min(facts.halflives)
    if facts.rampup:
        shortest = min(shortest, facts.rampup * seen)
    if shortest > seen / 4:
        yield Diagnosis(
            "error" if shortest > seen else "warning",
            "average too long",
            f"The average of the weights has a half-life of {shortest:,.0f} examples, and the run "
            f"has seen {seen:,}: samples come from weights of its beginning.",
            f"Set --set ema.halflife={max(1, seen // 20)}, or ema.rampup=0.05.",
            weight=0.9,
        )
    elif shortest < SHORTEST * facts.batch and facts.steps > 20 * SHORTEST:
        yield Diagnosis(
            "warning",
            "average too short",
            f"The average of the weights has a half-life of {shortest:,.0f} examples, "
            f"{shortest / facts.batch:.1f} steps.",
            "Samples show the chance of the last steps. A twentieth of the run is usual: "
            f"--set ema.halflife={max(1, seen // 20)}.",
            f"difftool train … --set ema.halflife={max(1, seen // 20)}",
            weight=0.6,
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
