"""What the metrics of samples say, beside those of held-out data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .diagnosis import Diagnosis
from .training import TrainingFacts, is_falling

WIDE = 2.8
"""Standard errors of a difference that chance makes in 5 of 1000 cases: a verdict makes about ten
comparisons, and a good model should pass them all.
"""

FAR = 0.03
"""Fréchet distance, over the variance of the data, from which on samples are far from the data."""

FEW_COPIES = 0.02
"""Share of near copies, beyond that of held-out data, that is worth a word."""

NEAR = 0.85
"""Ratio of distances to the nearest example, below which samples are unusually near to the data."""

CLEARLY = 0.1
"""Difference of shares from which on it is more than a trifle."""

ELSEWHERE = (
    "frechet", "kernel", "coverage", "memorisation", "inception", "agreement", "patches",
    "likelihood", "consistency", "captions", "fairness",
)  # fmt: skip
"""Metrics of which something else is said, or which say the same as these."""

MOST_NAMED = 3
"""Numbers of a kind of data that one finding names."""

Row = Mapping[str, Any]


def of_samples(
    rows: Sequence[Row], info: Mapping[str, Any], facts: TrainingFacts | None
) -> list[Diagnosis]:
    """What is wrong with samples; one finding of level ``ok`` if nothing was found.

    Args:
        rows: those of ``difftool evaluate``.
        info: how the samples were made: ``count``, ``steps``, ``guidance``.
        facts: the run of their model; None where it is not known.
    """
    table = {(row["metric"], row["name"]): row for row in rows if row["data"] is not None}
    shown = {key: row for key, row in table.items() if row["samples"] is not None}
    if not any(metric in ("frechet", "coverage", "memorisation") for metric, _ in shown):
        return []
    far = list(_far(shown, info, facts))
    found = [
        *_memorised(shown, facts),
        *far,
        # what lies beside the data does not reach them either
        *(() if any(one.level == "error" for one in far) else _uniform(shown, info)),
        *_disobedient(shown, info),
    ]
    # they add a fact to what is said, and are too fine to be a fault by themselves
    found += _strange(shown)
    if found:
        return found
    return [
        Diagnosis(
            "ok",
            "alike",
            f"Nothing that was measured tells {info['count']:,} samples from held-out data.",
            "More samples may show smaller differences.",
        )
    ]


def _memorised(
    table: Mapping[tuple[str, str], Row], facts: TrainingFacts | None
) -> Iterator[Diagnosis]:
    copies, distance = (table.get(("memorisation", name)) for name in ("near_copies", "distance"))
    often = f"Each example was seen {facts.epochs:,.0f} times. " if facts and facts.steps else ""
    less = (
        f"{often}Use more data, train for fewer steps, or choose a smaller network or dropout: "
        "--set backbone.dropout=0.1."
    )
    if copies and copies["samples"] - copies["data"] > FEW_COPIES and differs(copies):
        yield Diagnosis(
            "error" if copies["samples"] - copies["data"] > CLEARLY else "warning",
            "memorised",
            f"{copies['samples']:.0%} of the samples are near copies of training examples "
            f"(of held-out data {copies['data']:.0%}): the model has learnt examples by heart.",
            less,
            weight=0.8,
        )
    elif (
        distance
        and distance["samples"] < NEAR * distance["data"]
        and differs(distance)
        and not _has_less(table, "precision")
    ):
        yield Diagnosis(
            "warning",
            "near",
            f"Samples are nearer to training data than held-out data are: {distance['samples']:.2f}"
            f" times the usual distance, held-out data {distance['data']:.2f}.",
            f"The model may have learnt examples by heart, or the guidance is strong. {less}",
        )


def _far(
    table: Mapping[tuple[str, str], Row], info: Mapping[str, Any], facts: TrainingFacts | None
) -> Iterator[Diagnosis]:
    frechet, precision = table.get(("frechet", "relative")), table.get(("coverage", "precision"))
    far = _has_less(table, "precision")
    if not far and not (frechet and frechet["samples"] > frechet["data"] and differs(frechet)):
        return
    facts_said = [
        f"{precision['samples']:.0%} of the samples look like data (of held-out data "
        f"{precision['data']:.0%})"
        if far and precision
        else "",
        f"their Fréchet distance is {frechet['samples']:.1%} of the variance of the data (of "
        f"held-out data {max(0.0, frechet['data']):.1%})"
        if frechet
        else "",
    ]
    yield Diagnosis(
        _level_of_far(frechet, precision if far else None),
        "far",
        "The samples differ from the data: " + ", ".join(filter(None, facts_said)) + ".",
        _why_far(info, facts),
    )


def _level_of_far(frechet: Row | None, precision: Row | None) -> str:
    if precision and precision["samples"] < precision["data"] / 2:
        return "error"
    if precision and precision["data"] - precision["samples"] > CLEARLY:
        return "warning"
    return "warning" if frechet and frechet["samples"] - frechet["data"] > FAR else "note"


def _why_far(info: Mapping[str, Any], facts: TrainingFacts | None) -> str:
    """The likeliest cause: training that is not done, then the settings of sampling."""
    if facts and is_falling(facts):
        return (
            "The loss still falls, so train longer first: "
            f"{facts.resume} --steps {2 * facts.steps}."
        )
    if facts and facts.student:
        return (
            "A distilled model draws only in the steps that it learnt. Distill longer with --steps, "
            "or for more --evaluations."
        )
    steps = info.get("steps")
    if isinstance(steps, int) and steps < 20:
        return f"{steps} steps of the sampler may be too few: try --steps {4 * steps}."
    return (
        "Train longer or with a larger network; compare other --steps and --guidance, which take "
        "no training."
    )


def _uniform(table: Mapping[tuple[str, str], Row], info: Mapping[str, Any]) -> Iterator[Diagnosis]:
    recall = table.get(("coverage", "recall"))
    if recall is None or not _has_less(table, "recall"):
        return
    if recall["data"] - recall["samples"] < CLEARLY:
        return
    guidance = info.get("guidance")
    strong = isinstance(guidance, int | float) and guidance > 1
    yield Diagnosis(
        "warning",
        "uniform",
        f"The samples vary less than the data: they reach {recall['samples']:.0%} of it, held-out "
        f"data {recall['data']:.0%}.",
        f"The guidance of {guidance:g} is probably too strong: try --guidance 1."
        if strong
        else "Train longer, and use a sampler that adds noise, such as --sampler ancestral.",
    )


def _disobedient(
    table: Mapping[tuple[str, str], Row], info: Mapping[str, Any]
) -> Iterator[Diagnosis]:
    for (metric, name), row in table.items():
        if metric != "agreement" or not differs(row):
            continue
        condition, _, kind = name.rpartition("_")
        if kind == "right" and row["samples"] < row["data"] - CLEARLY / 2:
            fact = (
                f"{row['samples']:.0%} of the samples have the {condition} that was asked for (of "
                f"held-out data {row['data']:.0%})."
            )
        elif kind == "error" and row["samples"] > 1.1 * row["data"]:
            fact = (
                f"The {condition} of the samples is {row['samples']:.2f} standard deviations off "
                f"what was asked for (of held-out data {row['data']:.2f})."
            )
        else:
            continue
        guidance = info.get("guidance")
        more = max(2.0, 1.5 * guidance) if isinstance(guidance, int | float) else 2.0
        yield Diagnosis(
            "warning",
            "disobedient",
            fact,
            f"Train longer, or guide more: --guidance {more:g}. If it is no better than chance, "
            f"look at the labels: difftool data check.",
        )


def _strange(table: Mapping[tuple[str, str], Row]) -> Iterator[Diagnosis]:
    """The numbers of a kind of data, such as loudness or contrast, that tell samples from data."""
    apart = {key: row for key, row in table.items() if key[0] not in ELSEWHERE and differs(row)}
    if not apart:
        return
    most = sorted(apart, key=lambda key: -_apart(apart[key]))[:MOST_NAMED]
    facts = [
        f"{name} {apart[metric, name]['samples']:.3g} (of held-out data "
        f"{apart[metric, name]['data']:.3g})"
        for metric, name in most
    ]
    yield Diagnosis(
        "note",
        "strange",
        f"Samples differ from the data in {len(apart)} other number{'s' * (len(apart) > 1)}: "
        + ", ".join(facts)
        + ".",
        "difftool list metrics says what these measure.",
    )


def _apart(row: Row) -> float:
    """How far a number is from that of data, in standard errors."""
    error = math.hypot(row["samples_error"], row["data_error"])
    return abs(row["samples"] - row["data"]) / max(error, 1e-12)


def _has_less(table: Mapping[tuple[str, str], Row], name: str) -> bool:
    row = table.get(("coverage", name))
    return row is not None and row["samples"] < row["data"] and differs(row)


def differs(row: Row) -> bool:
    """Whether a number differs from that of data by more than chance explains."""
    errors = row["samples_error"], row["data_error"]
    if None in errors:
        return False
    # where all are alike, the error of a share is not 0 but below one in the number of samples
    return abs(row["samples"] - row["data"]) > max(WIDE * math.hypot(*errors), 1e-9)
