"""The same metrics of samples and of data, so that the numbers can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..batch import Batch
from ..conditioners.mask import MASK
from ..errors import DifftoolError
from ..judge.judge import is_held_out
from ..metric import FeatureMetric, Features, Metric, ModelMetric
from ..modality import Modality
from ..rng import Stream
from ..stage import Stage
from .jackknife import jackknife
from .padding import unpadded

GROUPS = 8
"""Number of parts of the examples whose numbers estimate the standard error."""
AT_ONCE = 16
"""Number of examples whose model is measured at once: gradients take memory."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one metric.

    Attributes:
        samples: name -> number of the samples; empty if the metric failed.
        data: name -> number of a part of the data, compared with the rest of the data.
        sample_errors, data_errors: their standard errors, where these can be estimated.
        missing: why the metric failed.
    """

    metric: str
    samples: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, float] = field(default_factory=dict)
    sample_errors: Mapping[str, float] = field(default_factory=dict)
    data_errors: Mapping[str, float] = field(default_factory=dict)
    missing: str = ""


def compared(
    metrics: Mapping[str, Metric],
    samples: Sequence[np.ndarray],
    data: Sequence[np.ndarray],
    apart: bool = False,
) -> Iterator[Measured]:
    """Each metric of the samples against the data, and of a part of the data against its rest.

    The part is as large as the set of samples, but at most half of the data, because distances and
    counts of duplicates depend on the number of examples.

    Args:
        data: in random order; may be empty.
        apart: whether the samples refine that part of the data. They are then compared with the
            rest only.
    """
    held = held_out(samples, data)
    rest = data[held:]
    for name, metric in metrics.items():
        try:
            against = rest if apart else data
            found = metric.measure(samples, against)
            errors = standard_errors(metric, samples, against)
            own = metric.measure(data[:held], rest) if held else {}
            own_errors = standard_errors(metric, data[:held], rest) if held else {}
        except DifftoolError as error:
            # a metric may need a package that is not installed; the others still count
            yield Measured(name, missing=str(error))
        else:
            yield Measured(name, found, own, errors, own_errors)


def compared_features(
    metrics: Mapping[str, FeatureMetric], samples: Features, data: Features
) -> Iterator[Measured]:
    """Each metric of features of the samples, and of data on which the judge was not trained.

    A judge knows what it was trained on better than anything else. Data that it has not seen are
    as new to it as samples are, so both are compared with what it has seen.

    Args:
        data: with their numbers, in random order.
    """
    new = is_held_out(data.numbers)
    held = data.part(np.flatnonzero(new)[: len(samples)])
    for name, metric in metrics.items():
        if len(metrics) > 1 and not metric.applies(samples):
            continue
        against = data if metric.whole else data.part(np.flatnonzero(~new))
        equal = samples.part(np.arange(min(len(samples), len(held)))) if metric.equal else samples
        try:
            (found, errors), (own, own_errors) = (
                _of_features(metric, some, against) if len(some) else ({}, {})
                for some in (equal, held)
            )
        except DifftoolError as error:
            yield Measured(name, missing=str(error))
        else:
            yield Measured(name, found, own, errors, own_errors)


def _of_features(
    metric: FeatureMetric, examples: Features, data: Features
) -> tuple[dict[str, float], dict[str, float]]:
    return jackknife(
        lambda at: metric.measure_features(examples.part(at), data),
        len(examples),
        corrected=metric.corrected,
        is_share=metric.is_share,
    )


def standard_errors(
    metric: Metric, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
) -> dict[str, float]:
    """The standard error of each number of a metric: how far it would be from where it is with
    other examples.

    It is that of the mean of the numbers of ``GROUPS`` parts, which costs one more measurement in
    all (the method of batch means). Of a distance that is hardly above 0 it is somewhat too small.
    A number that is undefined for a part has none.
    """
    groups = min(GROUPS, len(examples) // 2)
    if groups < 2:
        return {}
    try:
        parts = [metric.measure(examples[i::groups], data) for i in range(groups)]
    except DifftoolError:  # it needs more examples than a part has
        return {}
    names = set(parts[0]).intersection(*parts[1:])
    errors = {
        name: float(np.std([part[name] for part in parts], ddof=1) / groups**0.5) for name in names
    }
    return {name: error for name, error in errors.items() if np.isfinite(error)}


def held_out(samples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> int:
    """The number of examples of the data that are compared with the rest."""
    return min(len(samples), len(data) // 2)


def as_trained(
    modality: Modality, chunks: Iterable[Sequence[np.ndarray] | np.ndarray], seed: int
) -> Iterator[np.ndarray]:
    """Cached examples as training uses them: cropped, in raw units, one array each."""
    for at, chunk in enumerate(chunks):
        raw = modality.collate(chunk, Stream(seed, "evaluate", at))
        yield from unpadded(raw.x, raw)


def of_model(
    metric: ModelMetric,
    stage: Stage,
    examples: Sequence[np.ndarray],
    conditions: Sequence[Mapping[str, str | float | None]],
    seed: int,
    counted: Callable[[Iterable[int], int], Iterable[int]],
) -> tuple[dict[str, float], dict[str, float]]:
    """The means of a model's numbers over raw examples, and their standard errors.

    Args:
        conditions: of each example, as a user writes them; those that are missing are null.
        counted: shows the progress of so many batches.
    """
    stage.denoiser.eval()
    device = next(stage.denoiser.parameters()).device
    found: list[Mapping[str, np.ndarray]] = []
    starts = range(0, len(examples), AT_ONCE)
    for at in counted(starts, len(starts)):
        rng = Stream(seed, "model metric", at)
        chunk = slice(at, at + AT_ONCE)
        raw = conditioned(
            stage, stage.modality.collate(list(examples[chunk]), rng), conditions[chunk]
        )
        numbers = metric.measure_model(
            stage, raw.map(lambda x: x.to(device)), Stream(seed, "model metric", at, device=device)
        )
        found.append({name: value.double().cpu().numpy() for name, value in numbers.items()})
    values = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    means = {name: float(some.mean()) for name, some in values.items()}
    errors = {
        name: float(some.std(ddof=1) / len(some) ** 0.5)
        for name, some in values.items()
        if len(some) > 1
    }
    return means, errors


def conditioned(
    stage: Stage, raw: Batch, conditions: Sequence[Mapping[str, str | float | None]]
) -> Batch:
    """The batch with the conditions that the network takes and the modality did not set.

    The mask of given entries belongs to encoded examples: see ``told``.
    """
    columns = {
        name: stage.description.conditions[name]
        for name in stage.denoiser.conditioners
        if name not in raw.cond and name != MASK
    }
    rows = {
        name: [
            column.null if (text := one.get(name)) is None else column.parse(str(text))
            for one in conditions
        ]
        for name, column in columns.items()
    }
    return raw.with_cond(
        **{name: torch.from_numpy(column.batch(rows[name])) for name, column in columns.items()}
    )
