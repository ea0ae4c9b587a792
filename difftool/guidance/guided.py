"""A guided denoiser as a denoiser, so that the next guidance can take it for its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..denoiser import Cond, D
from ..nn.backbone import Signals
from ..sampler import Denoise
from .guidance import Guidance


class Guided:
    """D(x; sigma, cond) of a guidance and its denoiser.

    ``difftool.bind`` binds it by ``bound``. If it is called like a denoiser, it takes one sigma for
    the whole batch, and waits for the device to read it.
    """

    def __init__(self, guidance: Guidance, denoiser: D, kept: Collection[str]) -> None:
        self._guidance, self._denoiser, self._kept = guidance, denoiser, kept

    def bound(self, cond: Cond, mask: Tensor | None = None) -> Denoise:
        """``denoise(x, sigma)`` under these conditions."""
        return self._guidance.bind(self._denoiser, cond, mask, kept=self._kept)

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def signals(self, cond: Cond) -> Signals:
        return _Conditions(cond=cond)

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        assert isinstance(signals, _Conditions), "these are the signals of another denoiser"
        if not signals.bound or signals.bound[0] is not mask:
            signals.bound[:] = [mask, self.bound(signals.cond, mask)]
        return signals.bound[1](x, float(sigma[0]))


@dataclass(frozen=True, slots=True)
class _Conditions(Signals):
    """Conditions that are encoded at the first evaluation, when the mask is known as well."""

    cond: Cond = field(default_factory=dict)
    bound: list[Any] = field(default_factory=list)
