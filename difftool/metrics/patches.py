"""patches: the distance between patches of examples and of the data, at every scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..description import Description
from ..errors import UsageError
from ..metric import Metric
from .options import PatchesOptions
from .pyramid import pyramid

SHORT = 4
"""The longest axis that a patch covers whole, such as the channels."""

MOST = 1 << 17
"""The most patches of all examples at one scale; with more examples, each has fewer."""

QUANTILES = 1024
"""The number of quantiles that represent a one-dimensional distribution."""

AT_ONCE = 1 << 22
"""The most entries of examples of one shape that are processed at once."""

SEED = 20180226
"""Seed of the patch positions and directions. It is fixed, so that only the examples make a
difference between two numbers.
"""


@dataclass(frozen=True)
class Plan:
    """How patches are cut; it depends on the data, not on the examples that are measured.

    Attributes:
        long: the axes along which patches are short, counted from 1, as axis 0 is the batch.
        sizes: sizes of a patch along these axes.
        halving: for each scale but the coarsest, the axes that are halved from it to the next.
        places: ``[patches, long axes]``, positions as shares of the free range.
    """

    long: tuple[int, ...]
    sizes: tuple[int, ...]
    halving: tuple[tuple[int, ...], ...]
    places: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """Statistics of the data at each scale.

    Attributes:
        norms: mean and standard deviation of each channel.
        quantiles: ``[directions, q]``, those of the projected patches.
    """

    plan: Plan
    norms: list[tuple[np.ndarray, np.ndarray]]
    quantiles: list[np.ndarray]


class Patches(Metric):
    """The sliced Wasserstein distance between patches of the examples and of the data.

    Karras et al. 2018, arXiv:1710.10196, Sec. 5.

    Each example becomes a Laplacian pyramid. Patches at random positions of each scale are
    normalised per channel and projected on random directions. On each direction, the distance
    between the two distributions is that between sorted values. The unit is the standard deviation
    of the data: 0 for equal patches, about 0.1 for a difference that is easy to see.

    Differences from the paper: examples have any number of axes, and patches always have the same
    number of entries; there are scales until a patch covers most of an example; the data's mean and
    standard deviation normalise all patches, so that a shift in brightness counts; positions and
    directions are fixed. As the examples are few, the distance of the data from itself is not 0:
    compare distances with each other.
    """

    options: PatchesOptions

    def __init__(self, options: PatchesOptions, description: Description) -> None:
        super().__init__(options, description)
        self._last: tuple[Sequence[np.ndarray], int, Statistics] | None = None

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """``distance``, the mean over scales, ``fine`` and ``coarse``; nothing without data.

        Raises:
            UsageError: an example differs from the data along an axis that patches cover whole.
        """
        if not data:
            return {}
        self._require_same_shape([*examples, *data])
        count = max(1, min(self.options.patches, MOST // max(len(examples), len(data))))
        statistics = self._statistics(data, count)
        found = [
            float(np.abs(self._quantiles(_normalised(patches, norm)) - theirs).mean())
            for patches, norm, theirs in zip(
                _patches(examples, statistics.plan),
                statistics.norms,
                statistics.quantiles,
                strict=True,
            )
        ]
        return {"distance": float(np.mean(found)), "fine": found[0], "coarse": found[-1]}

    def _require_same_shape(self, examples: Sequence[np.ndarray]) -> None:
        wanted = [n if n is not None and n <= SHORT else None for n in self.description.shape]
        for one in examples:
            if one.ndim != len(wanted) or any(
                n not in (None, size) for n, size in zip(wanted, one.shape, strict=True)
            ):
                raise UsageError(
                    f"An example of {_words(one.shape)} does not fit the data, "
                    f"{_words(self.description.shape)}. Measure examples of the same kind: patches "
                    "compares whole channels."
                )

    def _statistics(self, data: Sequence[np.ndarray], count: int) -> Statistics:
        """The statistics of the data. They are stored: further samples often have the same data."""
        if self._last is None or self._last[0] is not data or self._last[1] != count:
            self._last = (data, count, self._measured(data, count))
        return self._last[2]

    def _measured(self, data: Sequence[np.ndarray], count: int) -> Statistics:
        plan, norms, quantiles = self._plan(data, count), [], []
        for patches in _patches(data, plan):
            norms.append(_norm(patches))
            quantiles.append(self._quantiles(_normalised(patches, norms[-1])))
        return Statistics(plan, norms, quantiles)

    def _plan(self, data: Sequence[np.ndarray], count: int) -> Plan:
        usual = np.median([one.shape for one in data], 0)
        long = [axis for axis, n in enumerate(self.description.shape) if n is None or n > SHORT]
        size = max(2, round(self.options.entries ** (1 / max(1, len(long)))))
        sizes = {axis: int(min(size, max(1, usual[axis]))) for axis in long}
        halving = []
        while halved := [axis for axis in long if usual[axis] / 2 >= size]:
            halving.append(tuple(axis + 1 for axis in halved))
            usual[halved] /= 2
        places = np.random.default_rng(SEED).random((count if long else 1, len(long)))
        return Plan(tuple(axis + 1 for axis in long), tuple(sizes.values()), tuple(halving), places)

    def _quantiles(self, patches: np.ndarray) -> np.ndarray:
        """``[count, channels, entries] -> [directions, q]``: quantiles of the projected patches."""
        flat = patches.reshape(len(patches), -1)
        directions = np.random.default_rng(SEED + 1).standard_normal(
            (self.options.directions, flat.shape[1])
        )
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        at = ((np.arange(QUANTILES) + 0.5) / QUANTILES * len(flat)).astype(np.int64)
        return np.stack(
            [np.sort(flat @ direction)[at] for direction in directions.astype(np.float32)]
        )


def _patches(examples: Sequence[np.ndarray], plan: Plan) -> Iterator[np.ndarray]:
    """``[patches, channels, entries]`` of all examples for each scale, the finest first;
    float32.
    """
    found: list[list[np.ndarray]] = [[] for _ in range(len(plan.halving) + 1)]
    for x in _alike(examples):
        for patches, scale in zip(found, pyramid(x, plan.halving), strict=True):
            patches.append(_taken(scale, plan))
    for patches in found:
        yield np.concatenate(patches)


def _alike(examples: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """``[b, ...]`` float32: batches of examples of one shape, limited in size to save memory."""
    for _, group in groupby(sorted(examples, key=np.shape), np.shape):
        alike = list(group)
        step = max(1, AT_ONCE // max(1, alike[0].size))
        for at in range(0, len(alike), step):
            yield np.stack(alike[at : at + step]).astype(np.float32)


def _taken(x: np.ndarray, plan: Plan) -> np.ndarray:
    """``x [b, ...] -> [b patches, channels, entries]``; examples smaller than a patch are
    edge-padded.
    """
    last = range(x.ndim - len(plan.long), x.ndim)
    x = np.moveaxis(x, plan.long, last)
    lacking = [max(0, size - n) for size, n in zip(plan.sizes, x.shape[last.start :], strict=True)]
    x = np.pad(x, [(0, 0)] * last.start + [(0, n) for n in lacking], mode="edge")
    x = x.reshape(len(x), -1, *x.shape[last.start :])
    room = np.array(x.shape[2:], np.int64) - plan.sizes + 1
    taken = [
        x[:, :, *map(slice, start, start + plan.sizes)]
        for start in (plan.places * room).astype(np.int64)
    ]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in taken])


def _norm(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, ``[channels, 1]`` each.

    The latter is at least a hundredth of the largest, so that nearly constant channels do not
    dominate.
    """
    mean, std = patches.mean((0, 2), np.float64), patches.std((0, 2), np.float64)
    spread = np.maximum(std, std.max() / 100 or 1.0)
    return mean[:, None].astype(np.float32), spread[:, None].astype(np.float32)


def _normalised(patches: np.ndarray, norm: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (patches - norm[0]) / norm[1]


def _words(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if n is None else str(n) for n in shape)
