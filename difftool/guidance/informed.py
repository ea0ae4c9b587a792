"""A denoiser that is told more than the noise level, in sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..denoiser import D
from ..nn.backbone import Signals
from ..wrapper import Wrapper


class Informed(Wrapper):
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
        super().__init__(denoiser)
        self._scale = scale
        self._levels, self._ends = torch.tensor(levels), torch.tensor(ends)

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if self._scale is not None:
            signals = replace(signals, scale=torch.full_like(sigma, self._scale))
        if len(self._levels):
            levels, ends = self._levels.to(sigma), self._ends.to(sigma)
            nearest = (levels - sigma[:, None]).abs().argmin(1)
            signals = replace(signals, end=torch.minimum(ends[nearest], sigma))
        return self._evaluated(x, sigma, signals, mask)
