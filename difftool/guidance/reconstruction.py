"""Reconstruction guidance: the rest of an example follows the entries that are given."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

import torch
from torch import Tensor

from ..context import Context
from ..denoiser import Cond, D
from ..sampler import Denoise
from ..space import Euclidean, Space
from .bind import bind
from .guidance import Guidance, Sampling
from .options import ReconstructionOptions


class Reconstruction(Guidance):
    """D + scale sigma^2 grad_x ln p(y | x), where y are the given entries A x0.

    Ho et al. 2022, arXiv:2204.03458, Eq. 7; Chung et al. 2023, arXiv:2209.14687, Alg. 1. With
    p(y | x) = N(A D(x), r^2) and r^2 = sigma^2 spread^2 / (sigma^2 + spread^2) + noise^2
    (Song et al. 2023, "Pseudoinverse-guided", Eq. 7 and Sec. 3.3) it is exact for Gaussian data.
    Without given entries nothing changes.
    """

    options: ReconstructionOptions
    differentiates = True

    def __init__(
        self,
        options: ReconstructionOptions,
        space: Space | None = None,
        given: Tensor | None = None,
        observed: Tensor | None = None,
    ) -> None:
        super().__init__(options)
        self._space = space or Euclidean()
        self._given, self._observed = given, observed

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        representation = context.representation
        return cls(options, None if representation is None else representation.space)

    def prepare(self, sampling: Sampling) -> Guidance:
        template = sampling.template
        return Reconstruction(self.options, self._space, template.x, template.observed)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        model, options = bind(denoiser, cond, mask), self.options
        if self._observed is None or self._given is None or options.scale == 0:
            return model
        y, observed = self._given, self._observed

        def denoise(x: Tensor, sigma: float) -> Tensor:
            times = len(x) // len(y)  # a guidance around this one may bind several versions
            target, where = (
                one.repeat(times, *(1,) * (one.ndim - 1)) if len(one) > 1 else one
                for one in (y, observed)
            )
            variance = 1 / (1 / sigma**2 + 1 / options.spread**2) + options.noise**2
            with torch.enable_grad():
                x_ = x.detach().requires_grad_()
                x0 = model(x_, sigma)
                error = torch.where(where, target - x0, 0.0)
                (slope,) = torch.autograd.grad(error.square().sum() / (2 * variance), x_)
            x0 = x0.detach() - options.scale * sigma**2 * slope
            return self._space.project(x0, mask)

        return denoise
