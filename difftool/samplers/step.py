"""What a sampler is given, and what it yields after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``denoise(x [b, ...], sigma) -> x0 [b, ...]``, the estimate of the clean example."""

Noise = Callable[[], Tensor]
"""Fresh unit noise like ``x``, in the right Space, from each example's own stream."""


class Step(NamedTuple):
    """After step ``index``: ``x`` at noise level ``sigma``, and the last estimate ``x0``."""

    index: int  # type: ignore[assignment]  # shadows tuple.index, which no one needs of a step
    sigma: float
    x: Tensor
    x0: Tensor


class Sampler(Protocol):
    """x starts at ``sigmas[0]`` (it already carries that noise) and ends at ``sigmas[-1]``."""

    def __call__(self, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]: ...
