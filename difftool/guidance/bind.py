"""bind: the conditional model as it is."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..denoiser import Cond, D, Remembering
from ..nn.backbone import Signals
from ..sampler import Denoise
from .guided import Guided


def bind(denoiser: D, cond: Cond, mask: Tensor | None = None) -> Denoise:
    """The conditional model as it is; its conditions are encoded now, once for all evaluations."""
    if isinstance(denoiser, Guided):
        return denoiser.bound(cond, mask)
    signals = denoiser.signals(cond)

    if isinstance(denoiser, Remembering):
        return _remembering(denoiser, signals, mask)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return denoiser(x, x.new_full((len(x),), sigma), signals, mask)

    return denoise


def _remembering(denoiser: Remembering, signals: Signals, mask: Tensor | None) -> Denoise:
    """Each evaluation starts from what the one before left, whatever that is."""
    memory: Tensor | None = None

    def denoise(x: Tensor, sigma: float) -> Tensor:
        nonlocal memory
        given = replace(signals, memory=memory)
        x0, found = denoiser.remember(x, x.new_full((len(x),), sigma), given, mask)
        memory = None if found is None else found.detach()  # gradients end with their step
        return x0

    return denoise
