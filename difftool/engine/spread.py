"""Learned variances in sampling: from the network's second output to the sampler."""

from __future__ import annotations

from torch import Tensor

from ..denoiser import Cond, Denoiser
from ..errors import UsageError
from ..nn.backbone import Signals
from ..nn.second_output import fraction_of
from ..sampler import Denoise
from ..space import Space


class Watched:
    """A denoiser with two outputs as one with one; the second of the latest evaluation is kept.

    Several guidances evaluate it, under several conditions in one batch. The first part of a batch
    has the conditions that are given.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self.second: Tensor | None = None

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def signals(self, cond: Cond) -> Signals:
        return self._denoiser.signals(cond)

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        x0, memory, self.second = self._denoiser.estimates(x, sigma, signals, mask)
        return x0, memory

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        return self.remember(x, sigma, signals, mask)[0]


class Varied:
    """``Uncertain``: an estimate, guided or not, with the variances of the model itself."""

    def __init__(
        self, denoise: Denoise, watched: Watched, space: Space, mask: Tensor | None
    ) -> None:
        self._denoise, self._watched, self._space, self._mask = denoise, watched, space, mask
        self._shape: tuple[int, ...] = ()

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self._shape = tuple(x.shape)
        return self._denoise(x, sigma)

    def fraction(self) -> Tensor:
        """v of the latest evaluation. Raises UsageError for samples in tiles."""
        second = self._watched.second
        if second is None or second.shape[1:] != self._shape[1:]:
            raise UsageError(
                "Samples in tiles have no learned variances: those of the tiles do not meet. Set "
                "sampler.variance to small or large, or --tile off."
            )
        second = second[: self._shape[0]]
        if self._space.entrywise:
            return fraction_of(second)
        return fraction_of(second, lambda v: self._space.mean(v, self._mask))
