"""Samples and data measured by the same metrics, so that numbers can be compared."""

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
        samples: numbers by name; empty where it could not be had.
        data: the same of examples of the data, measured against the others.
        missing: why it could not be had.
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

    The part is as large as the samples are many, or half of the data: how far a distance is from 0,
    and how much is found twice, hangs on how many there are.

    Args:
        data: in an order of chance; may be empty.
        apart: the samples were made from that part of the data, and are measured against its rest
            as well.
    """
    held = held_out(samples, data)
    rest = data[held:]
    for name, metric in metrics.items():
        try:
            found = metric.measure(samples, rest if apart else data)
            own = metric.measure(data[:held], rest) if held else {}
        except (
            DifftoolError
        ) as error:  # a metric may need something that is not installed; the others still count
            yield Measured(name, missing=str(error))
        else:
            yield Measured(name, found, own)


def held_out(samples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> int:
    """Number of examples of the data that are compared with the rest."""
    return min(len(samples), len(data) // 2)


def as_trained(
    modality: Modality, chunks: Iterable[Sequence[np.ndarray] | np.ndarray], seed: int
) -> Iterator[np.ndarray]:
    """Cached examples as training meets them, cut and in raw units, each an array of its own."""
    for at, chunk in enumerate(chunks):
        raw = modality.collate(chunk, Stream(seed, "evaluate", at))
        yield from unpadded(raw.x, raw)
