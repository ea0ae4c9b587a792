"""Restore: remove the noise that an example has."""

from __future__ import annotations

from torch import Tensor

from ..edit import Edit, Given, Start
from .options import RestoreOptions

MEDIAN = 0.6745
"""The median of the absolute value of unit normal noise."""


def noise_level(x: Tensor) -> Tensor:
    """The standard deviation of the noise in each example: ``[b, c, ...] -> [b]``.

    The finest differences of smooth data are noise: the median of the absolute Haar coefficients
    along all axes, over 0.6745 (Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet
    shrinkage", Sec. 4.2).
    """
    for axis in range(2, x.ndim):
        even = x.shape[axis] // 2 * 2
        pairs = x.narrow(axis, 0, even).unflatten(axis, (-1, 2))
        x = (pairs.select(axis + 1, 0) - pairs.select(axis + 1, 1)) / 2**0.5
    return x.abs().flatten(1).median(1).values / MEDIAN


class Restore(Edit):
    """The example is x0 + sigma eps at the level of its own noise: D gives the mean of the
    originals (Efron 2011, Tweedie's formula), and sampling from that level draws one of them.
    """

    options: RestoreOptions
    alone = True
    results = 1

    def start(self, given: Given) -> Start:
        level = self.options.level or float(noise_level(given.x))
        lowest, highest = given.sigmas[-2], given.sigmas[0]
        level = min(max(level, lowest), highest)
        if not self.options.sharp:
            return Start(given.denoise(given.x, level), (0.0,))
        return Start(given.x, (level, *(sigma for sigma in given.sigmas if sigma < level)))
