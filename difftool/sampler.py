"""Sampler: its arguments, and what it yields after every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``denoise(x [b, ...], sigma) -> x0 [b, ...]``, the estimate of the clean example."""

Noise = Callable[[float, float], Tensor]
"""``noise(sigma, sigma_next) -> [b, ...]``: unit noise in the Space of ``x`` for that interval.

It is a new tensor, from the stream of each example. Noise of two intervals that do not overlap is
independent. A sampler asks for the interval of its step, or for parts of it; then a Brownian source
gives the same path at any number of steps.
"""


@runtime_checkable
class Uncertain(Protocol):
    """A ``Denoise`` of a model that has learned the variances of its steps."""

    def fraction(self) -> Tensor:
        """v of the latest evaluation, which broadcasts to ``x``: the variance of a step is
        beta^v beta~^(1 - v)   (Nichol & Dhariwal 2021, arXiv:2102.09672, Eq. 15).
        """
        ...

    def __call__(self, x: Tensor, sigma: float, /) -> Tensor: ...


class Step(NamedTuple):
    """After step ``index``: ``x`` at noise level ``sigma``, and the last estimate ``x0``."""

    index: int  # type: ignore[assignment]  # shadows tuple.index, which a step does not need
    sigma: float
    x: Tensor
    x0: Tensor


class Sampler(Protocol):
    """``x`` starts at ``sigmas[0]``, including that noise, and ends at ``sigmas[-1]``."""

    def __call__(
        self, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise
    ) -> Iterator[Step]: ...
