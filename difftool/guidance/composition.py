"""Composition: the product of the densities of separately trained models."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Self

from torch import Tensor

from ..context import Context
from ..denoiser import Cond, D
from ..errors import UsageError
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance
from .options import CompositionOptions
from .others import opened, understood


class Composition(Guidance):
    """The score of p_0^w_0 p_1^w_1 ..., which is the weighted sum of the models' scores.

    Liu et al. 2022, arXiv:2206.01714, Eq. 8. With the score (D - x) / sigma^2 it is
    D = x + sum_i w_i (D_i - x), normalised at every noise level. With weights that sum to 1 any
    sampler follows it. For another sum, the product of noisy densities is not the noisy product:
    use ``langevin`` or ``predictor_corrector``, which do not need that (Du et al. 2023,
    arXiv:2302.11552).
    """

    options: CompositionOptions

    def __init__(self, options: CompositionOptions, others: Sequence[D]) -> None:
        super().__init__(options)
        self._others = tuple(others)
        n = len(self._others) + 1
        self._weights = options.weights or (1 / n,) * n

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        if not options.models:
            raise UsageError(
                "A composition needs other models. Name runs or model files with "
                'guidances.NAME.models, such as ["runs/other"].'
            )
        return cls(options, [opened(path, context) for path in options.models])

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        factors = [bind(denoiser, cond, mask)]
        for other, path in zip(self._others, self.options.models, strict=True):
            factors.append(bind(other, understood(other, cond, path), mask))

        def denoise(x: Tensor, sigma: float) -> Tensor:
            x0 = x * (1 - sum(self._weights))
            for factor, weight in zip(factors, self._weights, strict=True):
                x0 = x0 + weight * factor(x, sigma)
            return x0

        return denoise
