"""Guidance: how the conditional and the unconditional model make the estimate that a sampler is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from torch import Tensor

from ..denoiser import Cond, D
from ..options import Options
from ..sampler import Denoise


class Guidance(ABC):
    """From D(x; sigma, cond) to the ``denoise(x, sigma) -> x0`` that a sampler is given. Built with its options.

    Samplers, tiles, experts and inpainting lie around it and know nothing of it.

    Attributes:
        limited: whether the engine keeps its estimates where the data lie, at noise levels at which the process amplifies errors.
    """

    limited: bool = True

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        """The guided model for these conditions, which are encoded here, once for all evaluations.

        Args:
            denoiser: ``signals(cond)`` encodes conditions, ``null(cond)`` gives the same ones as "not given".
            cond: condition name -> ``[b, ...]``.
            mask: broadcasts to ``x``; True marks real entries.
            kept: conditions that the model must always be given, such as those of a bridge.
        """
