"""bind: the conditional model as it is."""

from __future__ import annotations

from torch import Tensor

from ..denoiser import Cond, D
from ..sampler import Denoise
from .guided import Guided


def bind(denoiser: D, cond: Cond, mask: Tensor | None = None) -> Denoise:
    """The conditional model as it is; its conditions are encoded now, once for all evaluations."""
    if isinstance(denoiser, Guided):
        return denoiser.bound(cond, mask)
    signals = denoiser.signals(cond)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return denoiser(x, x.new_full((len(x),), sigma), signals, mask)

    return denoise
