"""Autoguidance: away from a worse version of the model. It needs no labels."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

import torch
from torch import Tensor

from ..context import Context
from ..denoiser import Cond, D
from ..errors import UsageError
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance
from .interval import within
from .options import AutoguidanceOptions
from .others import opened, understood


class Autoguidance(Guidance):
    """D_0 + scale (D_1 - D_0), with D_1 the model and D_0 a worse version of it.

    Karras et al. 2024, arXiv:2406.02507, Eq. 2. Both have the same conditions. The worse version
    was trained for a shorter time, has less capacity, or a shorter average of the weights.
    """

    options: AutoguidanceOptions

    def __init__(self, options: AutoguidanceOptions, worse: D) -> None:
        super().__init__(options)
        self._worse = worse

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        if not options.model:
            raise UsageError(
                "Autoguidance needs a worse version of the model. Name one with "
                "guidances.NAME.model: a file in RUN/snapshots, which `difftool train` writes with "
                "--set ema.snapshot_every=N, or a smaller run that `difftool train` made."
            )
        return cls(options, opened(options.model, context, options.ema))

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        options, model = self.options, bind(denoiser, cond, mask)
        if options.scale == 1:
            return model
        worse = bind(self._worse, understood(self._worse, cond, options.model), mask)

        def denoise(x: Tensor, sigma: float) -> Tensor:
            return torch.lerp(worse(x, sigma), model(x, sigma), options.scale)

        if options.low > 0 or options.high is not None:
            return within(denoise, model, options.low, options.high)
        return denoise
