"""The metric by which ``train.best`` keeps the best model: one number of samples while training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..config import Config, Part
from ..errors import UsageError
from ..plugin.registry import Registry
from ..plugin.spec import MetricSpec
from .judged import Rows, asked_of, judge_of
from .reference import Reference, ReferenceData, reference_data
from .reporter import Reporter

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..metric import Features
    from ..stage import Stage

MOST = 1000
"""Examples of the data that samples are compared with."""

SEED = 0


@dataclass(frozen=True)
class Wanted:
    """A number of a metric, and whether more of it is better."""

    metric: str
    number: str
    more: bool


def wanted(text: str, modality: str, parts: Registry) -> Wanted:
    """``METRIC``, ``-METRIC.NUMBER`` or ``+METRIC.NUMBER``. Raises UsageError."""
    able = parts.metrics(modality)
    name, dot, number = text.lstrip("+-").partition(".")
    if name not in able:
        raise UsageError(
            f"train.best = {text!r} names no metric of {modality}. It has: {', '.join(able)}."
        )
    spec = parts.get("metric", name)
    usual = (
        (spec.best or (spec.distance and f"-{spec.distance}"))
        if isinstance(spec, MetricSpec)
        else ""
    )
    if dot and number and text[0] in "+-":
        return Wanted(name, number, text[0] == "+")
    if dot or text != name or not usual:
        raise UsageError(
            f"train.best = {text!r} does not say which number of {name} is meant, and whether more "
            f"of it is better. Write -{name}.NUMBER (the lower the better) or +{name}.NUMBER."
        )
    return Wanted(name, usual[1:], usual[0] == "+")


def score_of(config: Config, parts: Registry, reporter: Reporter) -> Score | None:
    """The score that ``train.best`` asks for; None where it names no metric. Raises UsageError."""
    if not isinstance(config.train.best, str):
        return None
    return Score(config, wanted(config.train.best, config.modality.use, parts), parts, reporter)


class Score:
    """A number of samples of a stage, with its sign changed if more of it is better.

    The samples have the same noise every time, so that numbers differ by the weights alone.
    """

    def __init__(self, config: Config, wanted: Wanted, parts: Registry, reporter: Reporter) -> None:
        self._config, self._wanted, self._parts = config, wanted, parts
        self._reporter = reporter

    def __call__(self, stage: Stage) -> float:
        """Raises UsageError where the metric cannot be measured."""
        from ..engine.generate import generate  # torch
        from ..engine.measuring import SCORED
        from ..engine.sample_request import SampleRequest  # torch

        settings = {**stage.settings.sample.model_dump(), "seed": SEED}
        request = SampleRequest(n=SCORED, guidance=stage.guidance, **settings)
        found = self._numbers(stage, list(generate(stage, request)))
        if self._wanted.number not in found:
            raise UsageError(
                f"{self._wanted.metric} has no number {self._wanted.number!r}, which train.best "
                f"names. It has: {', '.join(found)}."
            )
        return -found[self._wanted.number] if self._wanted.more else found[self._wanted.number]

    def _numbers(self, stage: Stage, samples: Sequence[Generated]) -> dict[str, float]:
        import numpy as np

        from ..assemble import make_metric  # torch
        from ..judge.judge import is_held_out
        from ..metric import FeatureMetric, Metric

        options = self._parts.options(self._parts.get("metric", self._wanted.metric))
        metric = make_metric(Part(self._wanted.metric, options()), self._parts, stage.description)
        examples = [one.example for one in samples]
        if isinstance(metric, Metric):
            return metric.measure(examples, self._data.examples)
        if not isinstance(metric, FeatureMetric):
            raise UsageError(
                f"{self._wanted.metric} measures no samples, so train.best cannot go by it."
            )
        columns = {
            name: column
            for name, column in stage.description.conditions.items()
            if column.settable and name in self._config.conditions
        }
        numbers = np.asarray(self._data.numbers)
        judge = judge_of(
            columns,
            self._data.columns,
            stage.modality,
            self._data,
            self._config.train.device,
            self._reporter,
        )

        def seen(some: Sequence[np.ndarray], rows: Rows, at: np.ndarray | None) -> Features:
            shown = [stage.modality.perceive(one) for one in some]
            return judge.features(shown, asked_of(columns, rows), at)

        data = seen(self._data.examples, self._data.columns, numbers)
        if not metric.whole:
            data = data.part(~is_held_out(numbers))
        return metric.measure_features(seen(examples, [one.cond for one in samples], None), data)

    @cached_property
    def _data(self) -> ReferenceData:
        return reference_data(
            self._config, self._parts, Reference(None, MOST), SEED, self._reporter
        )
