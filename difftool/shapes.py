"""Broadcasting of per-example quantities, in one place."""

from __future__ import annotations

from torch import Tensor


def expand_as(value: Tensor, x: Tensor) -> Tensor:
    """``value [b]`` as ``[b, 1, ..., 1]``, so that it broadcasts against ``x [b, ...]``."""
    return value.reshape(-1, *(1,) * (x.ndim - 1))


def mean_per_example(x: Tensor) -> Tensor:
    """``x [b, ...] -> [b]``, the mean over everything but the batch."""
    return x.flatten(1).mean(1)
