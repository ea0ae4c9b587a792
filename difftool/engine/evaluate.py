"""The same metrics of samples and of data, so that the numbers can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DifftoolError
from ..metric import Metric
from ..modality import Modality
from ..rng import Stream
from .generate import unpadded


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one metric.

    Attributes:
        samples: name -> number of the samples; empty if the metric failed.
        data: name -> number of a part of the data, compared with the rest of the data.
        missing: why the metric failed.
    """

    metric: str
    samples: Mapping[str, float] = field(default_factory=dict)
    data: Mapping[str, float] = field(default_factory=dict)
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
            found = metric.measure(samples, rest if apart else data)
            own = metric.measure(data[:held], rest) if held else {}
        except DifftoolError as error:
            # a metric may need a package that is not installed; the others still count
            yield Measured(name, missing=str(error))
        else:
            yield Measured(name, found, own)


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
