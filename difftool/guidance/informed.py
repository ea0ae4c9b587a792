"""A denoiser that is told more than the noise level, in sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..denoiser import Cond, D
from ..nn.backbone import Signals


class Informed:
    """A denoiser that is told where each step ends, or the scale of guidance; or both, by two.

    Args:
        levels, ends: a step from each of these levels ends at the level of the same place. Between
            them, that of the nearest one counts.
        scale: that of guidance.
    """

    def __init__(
        self,
        denoiser: D,
        levels: Sequence[float] = (),
        ends: Sequence[float] = (),
        scale: float | None = None,
    ) -> None:
        self._denoiser, self._scale = denoiser, scale
        self._levels, self._ends = torch.tensor(levels), torch.tensor(ends)

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def signals(self, cond: Cond) -> Signals:
        return self._denoiser.signals(cond)

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        if self._scale is not None:
            signals = replace(signals, scale=torch.full_like(sigma, self._scale))
        if len(self._levels):
            levels, ends = self._levels.to(sigma), self._ends.to(sigma)
            nearest = (levels - sigma[:, None]).abs().argmin(1)
            signals = replace(signals, end=torch.minimum(ends[nearest], sigma))
        return self._denoiser(x, sigma, signals, mask)
