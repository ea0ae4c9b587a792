"""Metrics in the features of a judge, which is trained on the data once and kept in the cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..errors import DataError, PluginError, UsageError
from ..nn.pretrained import applied
from .chain import Chain
from .chain_stage import ChainStage
from .reference import ReferenceData
from .reporter import Reporter
from .sample import Samples

if TYPE_CHECKING:
    import numpy as np

    from ..column import Column
    from ..engine.evaluate import Measured
    from ..judge.judge import Judge
    from ..judge.target import Target
    from ..metric import Features
    from ..modality import Modality
    from ..plugin.registry import Registry

Rows = Sequence[Mapping[str, str | float | None]]


PAIRS = 8
"""Number of samples that are shown beside their neighbours."""


@dataclass
class MeasuredFeatures:
    """What was measured in features.

    Attributes:
        found: the result of each metric.
        quality: that of the judge; empty where there is none.
        nearest: the samples that are nearest to the data, each with its neighbour and their
            distance over that of samples on average.
    """

    found: list[Measured]
    quality: dict[str, float] = field(default_factory=dict)
    nearest: list[tuple[np.ndarray, np.ndarray, float]] = field(default_factory=list)


def measured_features(
    chain: Chain,
    parts: Registry,
    metrics: Mapping[str, Any],
    samples: Samples,
    data: ReferenceData,
    reporter: Reporter,
    refined: int = 0,
    network: str | None = None,
) -> MeasuredFeatures:
    """Each metric of the features of samples and data.

    Args:
        refined: the number of examples of the data, the first ones, that the samples refine. They
            are left out.
        network: path or name of a trained network to use instead of a judge.
    """
    from ..assemble import make_modality  # torch
    from ..conditioners.text_column import TextColumn
    from ..engine.evaluate import Measured, compared_features
    from ..metrics.memorisation import nearest_pairs

    last = chain.stages[-1]
    modality = make_modality(last.config, parts)
    try:
        if not len(data.examples):
            raise UsageError("There is no data to compare with.")
        columns = _columns(last, data)
        texts = [name for name, column in columns.items() if isinstance(column, TextColumn)]
        look = (
            _given(network, modality, texts)
            if network
            else judged_look(last, modality, data, reporter)
        )
        of_samples = look(samples.examples, samples.conditions, None)
        rows = data.conditions(last, len(data.examples)) if last.settable else data.columns
        of_data = look(data.examples[refined:], rows[refined:], data.numbers[refined:])
    except (DataError, PluginError, UsageError) as error:  # not that it was stopped
        return MeasuredFeatures([Measured(name, missing=str(error)) for name in metrics])
    compared = compared_features(metrics, of_samples, of_data)
    found = list(reporter.counted(compared, len(metrics), "measuring features"))
    shown = [
        (samples.examples[i], data.examples[refined + j], share)
        for i, j, share in nearest_pairs(of_samples, of_data, PAIRS)
    ]
    return MeasuredFeatures(found, look.quality, shown)


@dataclass
class Look:
    """How raw examples with their conditions become features.

    Attributes:
        quality: that of the judge; empty for another network.
    """

    features: Callable[[Sequence[np.ndarray], Rows, Any], Features]
    quality: dict[str, float] = field(default_factory=dict)

    def __call__(self, examples: Sequence[np.ndarray], rows: Rows, numbers: Any) -> Features:
        return self.features(examples, rows, numbers)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _told(read: Callable[[Sequence[str]], np.ndarray], name: str, rows: Rows) -> np.ndarray:
    """What a network sees in the text that was asked for, of length 1; 0 where none was."""
    import numpy as np

    texts = [str(row.get(name) or "") for row in rows]
    found = _unit(read(texts))
    return found * np.array([bool(text) for text in texts])[:, None]


def _given(name: str, modality: Modality, texts: Sequence[str]) -> Look:
    """Features of a trained network. Raises UsageError where it cannot be loaded.

    Args:
        texts: the conditions that are texts.
    """
    import numpy as np

    from ..metric import Features

    network = modality.feature_network(name)
    read = getattr(network, "texts", None)

    def features(examples: Sequence[np.ndarray], rows: Rows, numbers: Any) -> Features:
        known = np.full(len(examples), -1) if numbers is None else numbers
        with applied(name):
            vectors = network(examples)
            told = {one: _told(read, one, rows) for one in texts} if read else {}
        alike = {one: (_unit(vectors), text) for one, text in told.items()}
        return Features(vectors, numbers=np.asarray(known), alike=alike)

    return Look(features)


def judged_look(
    last: ChainStage, modality: Modality, data: ReferenceData, reporter: Reporter
) -> Look:
    """Features of the judge of the data."""
    judge, columns = _judge(last, modality, data, reporter), _columns(last, data)

    def features(examples: Sequence[np.ndarray], rows: Rows, numbers: Any) -> Features:
        seen = [modality.perceive(one) for one in examples]
        return judge.features(seen, asked_of(columns, rows), numbers)

    return Look(features, judge.quality)


def _judge(last: ChainStage, modality: Modality, data: ReferenceData, reporter: Reporter) -> Judge:
    """The judge of the data, from the cache or trained now."""
    rows: Rows = data.conditions(last, len(data.examples)) if last.settable else data.columns
    return judge_of(_columns(last, data), rows, modality, data, last.request.device, reporter)


def judge_of(
    columns: Mapping[str, Column],
    rows: Rows,
    modality: Modality,
    data: ReferenceData,
    device: str,
    reporter: Reporter,
) -> Judge:
    """The judge of data, from the cache or trained now.

    Args:
        columns: what it may learn to see.
        rows: the values of these, of each example.
        device: auto, cpu, cuda, …

    Raises:
        UsageError: too few examples.
    """
    import numpy as np

    from ..data.cache import cache_path  # torch
    from ..engine.device import choose_device, prepare_process
    from ..judge.judge import FORMAT, Judge, trained_judge
    from ..judge.target import target

    made = [target(column, len(data.examples)) for column in columns.values()]
    targets: list[Target] = [one for one in made if one is not None]
    # a judge of 200 examples is not as good as one of 2,000 of the same data
    about = [FORMAT, data.content, len(data.examples), modality.settings().model_dump(mode="json")]
    about += [[column.kind, name, column.meaning()] for name, column in columns.items()]
    name = blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10).hexdigest()
    path = cache_path(f"judges/{name}.safetensors")
    on = choose_device(device)
    prepare_process(on)
    judge = None
    with suppress(OSError, ValueError, KeyError, TypeError, RuntimeError):  # damaged: made again
        judge = Judge.load(path) if path.exists() else None
    if judge is None:

        def counted(steps: Iterable[int], total: int) -> Iterator[int]:
            return reporter.counted(steps, total, "training a judge on the data, once")

        seen = [modality.perceive(one) for one in data.examples]
        asked = asked_of(columns, rows)
        known = {one.name: asked[one.name] for one in targets if one.name in asked}
        targets = [one for one in targets if one.name in known]
        judge = trained_judge(seen, targets, known, np.asarray(data.numbers), counted, on)
        judge.save(path)
    judge.network.to(on)
    return judge


def judged_vectors(
    last: ChainStage,
    data: ReferenceData,
    sets: Sequence[Sequence[np.ndarray]],
    parts: Registry,
    reporter: Reporter,
) -> tuple[list[np.ndarray], int]:
    """Features of sets of raw examples, by the judge of the data, and how many were left out.

    Left out are the examples that the judge was trained on.
    """
    import numpy as np

    from ..assemble import make_modality  # torch
    from ..data.inspect import digest
    from ..judge.judge import is_held_out

    modality = make_modality(last.config, parts)
    judge = _judge(last, modality, data, reporter)
    trained = np.flatnonzero(~is_held_out(np.asarray(data.numbers)))
    known = {digest(data.examples[int(i)]) for i in trained}
    new = [[one for one in some if digest(one) not in known] for some in sets]
    left_out = sum(map(len, sets)) - sum(map(len, new))
    nothing = np.zeros((0, 1))
    return [
        judge.features([modality.perceive(one) for one in some], {}).vectors if some else nothing
        for some in new
    ], left_out


def _columns(last: ChainStage, data: ReferenceData) -> dict[str, Column]:
    """The conditions of the model, or the class of the data if the model has none."""
    if last.settable:
        return {name: last.model.description.conditions[name] for name in last.settable}
    return label_of(data)


def label_of(data: ReferenceData) -> dict[str, Column]:
    """The class of the data, if it has one."""
    from ..conditioners.columns import LabelColumn  # numpy
    from ..data.columns import automatic

    if (name := automatic(data.columns)) is None:
        return {}
    return {name: LabelColumn.read(name, data.columns)[0]}


def asked_of(columns: Mapping[str, Column], rows: Rows) -> dict[str, np.ndarray]:
    """The conditions that at least one example has."""
    from ..judge.target import values  # torch

    return {
        name: values(column, rows)
        for name, column in columns.items()
        if any(row.get(name) is not None for row in rows)
    }
