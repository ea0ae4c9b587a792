"""What a sampler is given, and what it yields after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``denoise(x [b, ...], sigma) -> x0 [b, ...]``, the estimate of the clean example."""

Noise = Callable[[float, float], Tensor]
"""``noise(sigma, sigma_next) -> [b, ...]``: unit noise like ``x``, in its Space, that belongs to the interval between the two levels.

A new tensor, from each example's own stream. Noise of two intervals that do not overlap is independent. A sampler asks for the interval
that its step crosses, or for parts of it: then a source that follows one Brownian path gives the same path at any number of steps.
"""


class Step(NamedTuple):
    """After step ``index``: ``x`` at noise level ``sigma``, and the last estimate ``x0``."""

    index: int  # type: ignore[assignment]  # shadows tuple.index, which no one needs of a step
    sigma: float
    x: Tensor
    x0: Tensor


class Sampler(Protocol):
    """x starts at ``sigmas[0]`` (it already carries that noise) and ends at ``sigmas[-1]``."""

    def __call__(self, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Iterator[Step]: ...
