"""Guidance that was folded into the network, which is told its scale."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from torch import Tensor

from ..context import Context
from ..denoiser import Cond, D
from ..errors import UsageError
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance
from .informed import Informed
from .options import FoldedOptions


class Folded(Guidance):
    """One evaluation for what guidance takes two for   (Meng et al. 2023, arXiv:2210.03142, Eq. 4).

    The network is one that the objective ``guided`` trained: it is told the scale.
    """

    options: FoldedOptions

    @classmethod
    def build(cls, options: FoldedOptions, context: Context) -> Self:
        if context.denoiser is not None and "scale" not in context.denoiser.told:
            raise UsageError(
                "This network was not trained with guidance folded in. Use guidance.use = cfg, or "
                "distill it with --method guided: only such a network is told the scale."
            )
        return cls(options)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        return bind(Informed(denoiser, scale=self.options.scale), cond, mask)
