"""pair: the conditional and the unconditional estimate, from one batch."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from ..denoiser import Cond, D
from .bind import bind

Pair = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""``(x, sigma) -> (given, free)``: the estimates with and without the conditions."""


def pair(
    denoiser: D, cond: Cond, mask: Tensor | None = None, kept: Collection[str] = ()
) -> Pair | None:
    """Both estimates, or None where no condition is given, so that they are the same.

    Args:
        kept: conditions that are given to both.
    """
    null = unconditional(denoiser, cond, kept)
    if all(torch.allclose(cond[name], null[name], rtol=0, atol=0, equal_nan=True) for name in null):
        return None
    both = bind(
        denoiser, {name: torch.cat([cond[name], null[name]]) for name in null}, _twice(mask)
    )

    def estimates(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        given, free = both(torch.cat([x, x]), sigma).chunk(2)
        return given, free

    return estimates


def unconditional(denoiser: D, cond: Cond, kept: Collection[str] = ()) -> dict[str, Tensor]:
    """The conditions as "not given", except those that are always given."""
    return denoiser.null(cond) | {name: cond[name] for name in kept}


def _twice(mask: Tensor | None) -> Tensor | None:
    """The mask of a doubled batch; one that all examples share is left as it is."""
    return mask if mask is None or len(mask) == 1 else torch.cat([mask, mask])


def repeated(value: Tensor, n: int) -> Tensor:
    """A value of each sample of a batch, ``[b, ...]``, for a batch of several versions of each."""
    return value if len(value) == n else torch.cat([value] * (n // len(value)))
