"""Eye: examples as arrays of one size near unit scale, which the network of a judge takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POSITIONS = 1024
"""The most positions of the network's first level; more become channels, so nothing is lost."""

AXES = 3
"""The most axes of a convolution; further ones become channels."""

SOME = 256
"""Number of examples that are measured."""


@dataclass(frozen=True)
class Eye:
    """How what a modality shows of an example becomes the input of a network.

    Attributes:
        axes: sizes of the largest example along the axes after the channels; smaller ones are
            padded with the mean, larger ones are cut.
        patch: size along each axis of the patches that become one position.
        mean, std: of each channel.
    """

    axes: tuple[int, ...]
    patch: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, seen: Sequence[np.ndarray]) -> Eye:
        """The eye for such arrays, ``[channels, ...]`` each."""
        some = [_shaped(one) for one in seen[:: max(1, len(seen) // SOME)]]
        axes = np.max([one.shape[1:] for one in some], axis=0)
        patch = np.ones_like(axes)
        while math.prod(grid := -(-axes // patch)) > POSITIONS:
            patch[np.argmax(grid)] *= 2
        flat = np.concatenate([one.reshape(len(one), -1) for one in some], 1)
        std = flat.std(1)
        # channels that hardly vary would fill the input with noise
        std = np.maximum(std, std.max() / 20 or 1.0)
        return cls(*(tuple(each.tolist()) for each in (axes, patch, flat.mean(1), std)))

    @property
    def channels(self) -> int:
        """Of the input: each entry of a patch, and whether there is anything."""
        return (len(self.mean) + 1) * math.prod(self.patch)

    def look(self, seen: Sequence[np.ndarray]) -> np.ndarray:
        """Arrays ``[channels, ...]`` -> float32 ``[b, channels of the input, ...]``."""
        grid = -(-np.array(self.axes) // self.patch)
        x = np.zeros((len(seen), len(self.mean) + 1, *(grid * self.patch)), np.float32)
        mean, std = (
            np.reshape(each, (-1, *[1] * len(self.axes))) for each in (self.mean, self.std)
        )
        for row, one in zip(x, map(_shaped, seen), strict=True):
            place = tuple(map(slice, np.minimum(one.shape[1:], self.axes)))
            row[:-1][:, *place] = ((one - mean) / std)[:, *place]
            row[-1][place] = 1
        split = [n for pair in zip(grid, self.patch, strict=True) for n in pair]
        x = x.reshape(*x.shape[:2], *split)
        within = range(3, x.ndim, 2)
        x = x.transpose(0, 1, *within, *range(2, x.ndim, 2))
        return x.reshape(len(x), -1, *grid)

    def sketch(self, seen: Sequence[np.ndarray], size: int = 512) -> np.ndarray:
        """Arrays ``[channels, ...]`` -> ``[b, size]``, with about the same distances.

        A count sketch (Charikar et al. 2002): each entry is added, with a random sign, to one of
        ``size`` sums, the same one in all arrays.
        """
        entries = (self.channels // (len(self.mean) + 1)) * len(self.mean)
        entries *= math.prod(-(-np.array(self.axes) // self.patch))
        rng = np.random.default_rng(0)
        size = min(size, int(entries))
        if size == entries:
            place, sign = np.arange(size), np.ones(size)
        else:
            place, sign = rng.integers(size, size=entries), rng.choice([-1.0, 1.0], entries)
        return np.stack(
            [np.bincount(place, sign * self._flat(one), minlength=size) for one in seen]
        )

    def _flat(self, one: np.ndarray) -> np.ndarray:
        """Every entry of one array as the network sees it, without the mark of what is there."""
        patches = self.channels // (len(self.mean) + 1)
        return self.look([one])[0][: patches * len(self.mean)].ravel()


def _shaped(seen: np.ndarray) -> np.ndarray:
    """``[channels, ...]`` with one to three further axes."""
    if seen.ndim == 1:
        return seen[:, None].astype(np.float32)
    kept = seen.shape[max(1, seen.ndim - AXES) :]
    return seen.reshape(-1, *kept).astype(np.float32)
