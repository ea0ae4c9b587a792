"""Restore: undo the damage that an example has suffered."""

from __future__ import annotations

import torch
from torch import Tensor

from ..edit import Edit, Given, Start
from ..errors import UsageError
from ..guidance.inpaint import following
from ..sampler import Denoise
from .operators import (
    Project,
    completing,
    decompressing,
    reviving,
    sharpening,
    unblurring,
    unclipping,
)
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


def agreeing(denoise: Denoise, project: Project, level: float) -> Denoise:
    """Estimates that could have become the file (null-space projection, Wang et al. 2022,
    arXiv:2212.00490, Alg. 1).

    Args:
        level: standard deviation of the noise in the file; below it the projection is weaker
            (Eq. 19).
    """

    def agreed(x: Tensor, sigma: float) -> Tensor:
        x0 = denoise(x, sigma)
        return torch.lerp(x0, project(x0), min(1.0, sigma / level) if level else 1.0)

    return agreed


class Restore(Edit):
    """Originals that could have become the example.

    With noise alone the example is x0 + sigma eps: D gives the mean of the originals (Efron 2011,
    Tweedie's formula), and sampling from that level draws one of them. After other damage an
    original is sampled whose damaged version is the file.
    """

    options: RestoreOptions
    alone = True
    results = 1

    @property
    def entrywise(self) -> bool:  # type: ignore[override]  # it depends on the options
        return self.options.by != "noise"

    @property
    def differentiates(self) -> bool:  # type: ignore[override]
        return self.entrywise and self.options.method == "guidance"

    @property
    def mean(self) -> int:  # type: ignore[override]
        return self.options.average

    def start(self, given: Given) -> Start:
        if self.options.by != "noise":
            towards = following if self.differentiates else agreeing
            denoise = towards(given.denoise, self._project(given.x), self.options.level)
            return Start(given.noise * given.sigmas[0], given.sigmas, denoise=denoise)
        level = self.options.level or float(noise_level(given.x))
        lowest, highest = given.sigmas[-2], given.sigmas[0]
        level = min(max(level, lowest), highest)
        if not self.options.sharp and self.options.average == 1:
            return Start(given.denoise(given.x, level), (0.0,))
        return Start(given.x, (level, *(sigma for sigma in given.sigmas if sigma < level)))

    def _project(self, y: Tensor) -> Project:
        amount = self.options.amount
        match self.options.by:
            case "blur":
                return unblurring(y, amount or 1.5)
            case "lower":
                return sharpening(y, max(2, round(amount)))
            case "clip":
                return unclipping(y, amount)
            case "missing":
                return completing(y)
            case "frames":
                return reviving(y)
        if y.ndim != 4:
            raise UsageError(
                "jpeg compresses examples of two axes only. Name other damage: --by blur."
            )
        return decompressing(y, min(amount or 50.0, 99.0))
