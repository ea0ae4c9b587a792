"""Metrics of a model itself, measured on data and on its samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .chain import Chain
from .chain_stage import Conditions
from .job import prepared
from .reference import ReferenceData
from .reporter import Reporter
from .sample import Samples

if TYPE_CHECKING:
    from ..engine.evaluate import Measured
    from ..plugin.registry import Registry


def measured_models(
    chain: Chain,
    parts: Registry,
    metrics: Mapping[str, Any],
    samples: Samples,
    data: ReferenceData,
    reporter: Reporter,
) -> Iterator[Measured]:
    """Each metric of the last stage's model, on its samples and on data, with their conditions."""
    from ..engine.evaluate import Measured, of_model  # torch

    last = chain.stages[-1]
    if last.bridge is not None:
        reason = (
            f"{last.name} refines the samples of an earlier stage, and has no likelihood of its "
            "own. Measure the first stage, with --until."
        )
        yield from (Measured(name, missing=reason) for name in metrics)
        return

    def counted(starts: Iterable[int], total: int) -> Iterable[int]:
        return reporter.counted(starts, total, "measuring the model")

    stage, seed = prepared(last, parts).stage, last.request.seed
    for name, metric in metrics.items():
        count = getattr(metric.options, "examples", len(data.examples))
        sets: list[tuple[Sequence[Any], Sequence[Conditions]]] = [
            (samples.examples[:count], samples.conditions[:count]),
            (data.examples[:count], data.conditions(last, count)),
        ]
        try:
            (of_samples, errors), (of_data, data_errors) = (
                of_model(metric, stage, examples, conditions, seed, counted)
                if len(examples)
                else ({}, {})
                for examples, conditions in sets
            )
        except UsageError as error:
            yield Measured(name, missing=str(error))
        else:
            yield Measured(name, of_samples, of_data, errors, data_errors)
