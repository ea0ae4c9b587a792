"""Restore: undo the damage that an example has suffered."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import Tensor

from ..edit import Edit, Given, Start
from ..errors import UsageError
from ..guidance.inpaint import agreeing, following
from ..samplers.euler import euler
from .fitting import fitted_band, fitted_blur, fitted_factor
from .jpeg import decompressing, fitted_quality
from .operators import (
    Project,
    completing,
    reviving,
    sharpening,
    unblurring,
    unclipping,
    widening,
)
from .options import RestoreOptions

SHARP = 6
"""Samples of the model to whose sharpness a blurred example is compared."""

MEDIAN = 0.6745
"""The median of the absolute value of unit normal noise."""

TAKEN = 0.95
"""Share of a level that a trained D takes away of an example with so much noise."""


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


def agreed_level(given: Given) -> float:
    """The standard deviation of the noise in the only example: the level at which D takes away as
    much as it is told to. 0 where it takes away less at every level, as of an example without noise.

    Of x0 + s eps the exact D takes away s^2 less its own mean square error, as it is told s; told
    less, it takes away more than it is told.
    """
    levels = given.sigmas[:-1]
    shares = [
        float(given.space.mean_square(given.x - given.describe(given.x, level), given.mask).sqrt())
        / level
        for level in levels
    ]
    for (above, high), (below, low) in pairwise(zip(levels, shares, strict=True)):
        if high < TAKEN <= low:
            part = math.log(TAKEN / high) / math.log(low / high)
            return above * (below / above) ** part
    return 0.0


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
    def differentiates(self) -> bool:  # type: ignore[override]  # it depends on the options
        return self.options.by != "noise" and self.options.method == "guidance"

    @property
    def mean(self) -> int:  # type: ignore[override]
        return self.options.average

    def start(self, given: Given) -> Start:
        if self.options.by == "noise":
            return self._denoised(given)
        if given.entries is None:
            raise UsageError(
                f"--by {self.options.by} works on the entries of files, and this kind of data has "
                "none that this model can be held to. Use --by noise."
            )
        found = self._found(given.entries.y, given)
        project = given.entries.on(self._project(given.entries.y, found.get(self.options.by, 0.0)))
        towards = following if self.differentiates else agreeing
        denoise = towards(given.denoise, project, self.options.level)
        return Start(given.noise * given.sigmas[0], given.sigmas, denoise=denoise, found=found)

    def _denoised(self, given: Given) -> Start:
        level = self.options.level or (
            float(noise_level(given.x)) if given.space.entrywise else agreed_level(given)
        )
        lowest, highest = given.sigmas[-2], given.sigmas[0]
        level = min(max(level, lowest), highest)
        found = {} if self.options.level else {"noise": level}
        if not self.options.sharp and self.options.average == 1:
            return Start(given.denoise(given.x, level), (0.0,), found=found)
        sigmas = (level, *(sigma for sigma in given.sigmas if sigma < level))
        return Start(given.x, sigmas, found=found)

    def _found(self, y: Tensor, given: Given) -> dict[str, float]:
        """The amount of the damage, where the user has not said it and it is not just seen."""
        by, amount = self.options.by, self.options.amount
        if by not in ("blur", "lower", "band", "jpeg"):
            return {}
        if by == "band":
            _require_axes(y, (1,), by, "examples of one axis")
        if by == "jpeg":
            _require_axes(y, (2, 3), by, "examples of two axes, or of frames of them")
        if amount:
            return {by: amount}
        match by:
            case "blur":
                fitted = fitted_blur(y, self._sharp(given), self.options.level)
            case "lower":
                fitted = fitted_factor(y) or 2
            case "band":
                fitted = fitted_band(y)
            case _:
                fitted = fitted_quality(_frames(y))
        return {by: float(fitted)}

    def _sharp(self, given: Given) -> list[Tensor]:
        """The entries of some samples of the model."""
        assert given.entries is not None
        sharp: list[Tensor] = []

        def kept(entries: Tensor) -> Tensor:
            sharp.append(entries)
            return entries

        seen = given.entries.on(kept)
        for k in range(SHARP):
            noise = given.another(k + 1)
            *_, last = euler(given.denoise, noise * given.sigmas[0], given.sigmas, lambda *_: noise)  # noqa: B023
            seen(last.x)
        return sharp

    def _project(self, y: Tensor, amount: float) -> Project:
        match self.options.by:
            case "blur":
                return unblurring(y, amount)
            case "lower":
                return sharpening(y, max(2, round(amount)))
            case "clip":
                return unclipping(y, self.options.amount)
            case "missing":
                return completing(y)
            case "frames":
                _require_axes(y, (3,), "frames", "examples of frames")
                return reviving(y)
            case "band":
                return widening(y, min(amount, 1.0))
        project = decompressing(_frames(y), min(amount, 99.0))
        return lambda x0: _clip(project(_frames(x0)), y)


def _require_axes(y: Tensor, axes: tuple[int, ...], by: str, what: str) -> None:
    if y.ndim - 2 not in axes:
        raise UsageError(
            f"--by {by} is for {what}, and these have {y.ndim - 2} besides their channels. Name other "
            "damage, such as --by blur."
        )


def _frames(y: Tensor) -> Tensor:
    """``[b, c, ..., h, w]`` -> ``[n, c, h, w]``."""
    return y.movedim(1, -3).flatten(0, -4) if y.ndim > 4 else y


def _clip(frames: Tensor, like: Tensor) -> Tensor:
    """The frames of an example as it was."""
    if like.ndim == 4:
        return frames
    shape = like.movedim(1, -3).shape
    return frames.reshape(shape).movedim(-3, 1)
