"""Wrapper: a denoiser that evaluates another one, and remembers what that one does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from .denoiser import Cond, D, Remembering
from .nn.backbone import Signals


class Wrapper(ABC):
    """Called like the denoiser that it wraps, whose conditions it takes.

    One that evaluates several views of an example, such as tiles, keeps the memory of each view:
    ``[b, views, ...]``. So a network with self-conditioning, or latents of its own, finds what it
    made of the same view at the noise level before.
    """

    def __init__(self, denoiser: D) -> None:
        self._denoiser = denoiser

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def signals(self, cond: Cond) -> Signals:
        return self._denoiser.signals(cond)

    @abstractmethod
    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As ``Remembering.remember``."""

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        return self.remember(x, sigma, signals, mask)[0]

    def _evaluated(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """x0 and the memory of the denoiser that is wrapped; None where it remembers nothing."""
        if isinstance(self._denoiser, Remembering):
            return self._denoiser.remember(x, sigma, signals, mask)
        return self._denoiser(x, sigma, signals, mask), None
