"""patches: how far small parts of examples are from those of the data, at every scale."""

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
"""Entries of an axis that is taken whole, such as one of channels, at most."""

MOST = 1 << 17
"""Patches of all examples together at one scale: of more examples, fewer each."""

QUANTILES = 1024
"""Of each distribution on a line, in place of all of its values."""

AT_ONCE = 1 << 22
"""Entries of examples of one shape that are taken apart together."""

SEED = 20180226
"""Of the places and the directions, which are always the same ones: what differs between two numbers is the examples."""


@dataclass(frozen=True)
class Plan:
    """How examples are taken apart; it hangs on the data that they are compared with, and not on themselves.

    Attributes:
        long: the axes along which patches are small, counted from 1, as the first is the batch.
        sizes: of a patch along these.
        halving: of each scale but the coarsest, the axes that are halved from it to the next.
        places: ``[patches, long axes]``, where they lie, as shares of the room that there is.
    """

    long: tuple[int, ...]
    sizes: tuple[int, ...]
    halving: tuple[tuple[int, ...], ...]
    places: np.ndarray


@dataclass(frozen=True)
class Known:
    """What is known of the data, at each scale: the mean and spread of each channel, and the patches' quantiles ``[directions, q]``."""

    plan: Plan
    norms: list[tuple[np.ndarray, np.ndarray]]
    quantiles: list[np.ndarray]


class Patches(Metric):
    """The sliced Wasserstein distance between patches of the examples and of the data   (Karras et al. 2018, arXiv:1710.10196, Sec. 5).

    Each example is taken apart into a Laplacian pyramid, and patches at random places of each scale, normalised per channel, are
    projected on random directions, on each of which the distance between the two distributions is that between sorted values. It is in
    standard deviations of the data: 0 where the patches are alike, about 0.1 where one easily sees the difference.

    Other than there: axes may be any number, and patches have as many entries in each case; scales go on until a patch is most of an
    example; the mean and spread by which all are normalised are the data's, so that a shift in brightness counts; places and
    directions are fixed. As examples are few here, the distance of the data from itself is not 0: it is for comparing.
    """

    options: PatchesOptions

    def __init__(self, options: PatchesOptions, description: Description) -> None:
        super().__init__(options, description)
        self._last: tuple[Sequence[np.ndarray], int, Known] | None = None

    def measure(self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]) -> dict[str, float]:
        """``distance``, the mean of all scales; ``fine`` and ``coarse``, of the first and of the last. Without data, nothing.

        Raises:
            UsageError: examples that differ from the data along an axis that is taken whole.
        """
        if not data:
            return {}
        self._refuse_others([*examples, *data])
        count = max(1, min(self.options.patches, MOST // max(len(examples), len(data))))
        known = self._known(data, count)
        found = [
            float(np.abs(self._quantiles(_normalised(patches, norm)) - theirs).mean())
            for patches, norm, theirs in zip(_patches(examples, known.plan), known.norms, known.quantiles, strict=True)
        ]
        return {"distance": float(np.mean(found)), "fine": found[0], "coarse": found[-1]}

    def _refuse_others(self, examples: Sequence[np.ndarray]) -> None:
        wanted = [n if n is not None and n <= SHORT else None for n in self.description.shape]
        for one in examples:
            if one.ndim != len(wanted) or any(n not in (None, size) for n, size in zip(wanted, one.shape, strict=True)):
                raise UsageError(
                    f"patches compares examples of {_words(self.description.shape)}, and one is {_words(one.shape)}. "
                    "Give it examples that were made as the data is."
                )

    def _known(self, data: Sequence[np.ndarray], count: int) -> Known:
        """What is known of the data; it is kept, as the next samples are often measured against the same."""
        if self._last is None or self._last[0] is not data or self._last[1] != count:
            self._last = (data, count, self._learnt(data, count))
        return self._last[2]

    def _learnt(self, data: Sequence[np.ndarray], count: int) -> Known:
        plan, norms, quantiles = self._plan(data, count), [], []
        for patches in _patches(data, plan):
            norms.append(_norm(patches))
            quantiles.append(self._quantiles(_normalised(patches, norms[-1])))
        return Known(plan, norms, quantiles)

    def _plan(self, data: Sequence[np.ndarray], count: int) -> Plan:
        usual = np.median([one.shape for one in data], 0)
        long = [axis for axis, n in enumerate(self.description.shape) if n is None or n > SHORT]
        size = max(2, round(self.options.entries ** (1 / max(1, len(long)))))
        sizes = {axis: int(min(size, max(1, usual[axis]))) for axis in long}
        halving = []
        while some := [axis for axis in long if usual[axis] / 2 >= size]:
            halving.append(tuple(axis + 1 for axis in some))
            usual[some] /= 2
        places = np.random.default_rng(SEED).random((count if long else 1, len(long)))
        return Plan(tuple(axis + 1 for axis in long), tuple(sizes.values()), tuple(halving), places)

    def _quantiles(self, patches: np.ndarray) -> np.ndarray:
        """``[count, channels, entries] -> [directions, q]``: of the patches' projections on random directions."""
        flat = patches.reshape(len(patches), -1)
        directions = np.random.default_rng(SEED + 1).standard_normal((self.options.directions, flat.shape[1]))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        at = ((np.arange(QUANTILES) + 0.5) / QUANTILES * len(flat)).astype(np.int64)
        return np.stack([np.sort(flat @ direction)[at] for direction in directions.astype(np.float32)])


def _patches(examples: Sequence[np.ndarray], plan: Plan) -> Iterator[np.ndarray]:
    """``[patches, channels, entries]`` of all the examples, float32 in raw units, scale by scale, the finest first."""
    found: list[list[np.ndarray]] = [[] for _ in range(len(plan.halving) + 1)]
    for x in _alike(examples):
        for some, scale in zip(found, pyramid(x, plan.halving), strict=True):
            some.append(_taken(scale, plan))
    for some in found:
        yield np.concatenate(some)


def _alike(examples: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """``[b, ...]`` float32: examples of one shape together, as far as memory is no matter."""
    for _, group in groupby(sorted(examples, key=np.shape), np.shape):
        some = list(group)
        step = max(1, AT_ONCE // max(1, some[0].size))
        for at in range(0, len(some), step):
            yield np.stack(some[at : at + step]).astype(np.float32)


def _taken(x: np.ndarray, plan: Plan) -> np.ndarray:
    """``x [b, ...]`` -> ``[b patches, channels, entries]``; an example that is smaller than a patch goes on as it ends."""
    last = range(x.ndim - len(plan.long), x.ndim)
    x = np.moveaxis(x, plan.long, last)
    lacking = [max(0, size - n) for size, n in zip(plan.sizes, x.shape[last.start :], strict=True)]
    x = np.pad(x, [(0, 0)] * last.start + [(0, n) for n in lacking], mode="edge")
    x = x.reshape(len(x), -1, *x.shape[last.start :])
    room = np.array(x.shape[2:], np.int64) - plan.sizes + 1
    taken = [x[:, :, *map(slice, start, start + plan.sizes)] for start in (plan.places * room).astype(np.int64)]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in taken])


def _norm(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[channels, 1]`` each: means, and spreads, where a channel that hardly varies counts as one of a hundredth of the others' spread."""
    mean, std = patches.mean((0, 2), np.float64), patches.std((0, 2), np.float64)
    spread = np.maximum(std, std.max() / 100 or 1.0)
    return mean[:, None].astype(np.float32), spread[:, None].astype(np.float32)


def _normalised(patches: np.ndarray, norm: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return (patches - norm[0]) / norm[1]


def _words(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if n is None else str(n) for n in shape)
