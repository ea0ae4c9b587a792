"""Conjunction: several values of one condition at once, ``red AND round``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from ..denoiser import Cond, D
from ..options import NoOptions
from ..sampler import Denoise
from ..shapes import expand_as
from .bind import bind
from .guidance import Guidance
from .pair import repeated


class Conjunction(Guidance):
    """D(rest) + sum_k w_k (D(rest, c_k) - D(rest)): the product of the likelihoods of the parts.

    Liu et al. 2022, arXiv:2206.01714, Eq. 11; a negative weight asks for the opposite (Eq. 12).
    Examples that are bound to other values than the first part, such as null, keep their estimate.

    Args:
        name: the condition.
        parts: its values, each ``[b, ...]`` for the samples of a batch.
        weights: ``[b, parts]``; 0 for a part that a sample does not have.
    """

    def __init__(self, name: str, parts: Sequence[Tensor], weights: Tensor) -> None:
        super().__init__(NoOptions())
        self._name, self._parts, self._weights = name, tuple(parts), weights

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        name, given = self._name, cond[self._name]
        first, *others = (repeated(part, len(given)) for part in self._parts)
        asked = (given == first).reshape(len(given), -1).all(1)
        values = [given, *(part.where(expand_as(asked, part), given) for part in others)]
        values.append(denoiser.null(cond)[name])
        n = len(values)
        everything = {key: torch.cat([cond[key]] * n) for key in denoiser.null(cond)}
        several = None if mask is None or len(mask) == 1 else torch.cat([mask] * n)
        estimates = bind(denoiser, everything | {name: torch.cat(values)}, several)
        weights = repeated(self._weights, len(given)).unbind(1)

        def denoise(x: Tensor, sigma: float) -> Tensor:
            *parts, rest = estimates(torch.cat([x] * n), sigma).chunk(n)
            x0 = rest
            for weight, part in zip(weights, parts, strict=True):
                x0 = x0 + expand_as(weight, x) * (part - rest)
            return x0.where(expand_as(asked, x), parts[0])

        return denoise
