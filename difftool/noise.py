"""Noise for stochastic samplers: fresh at every step, or the increments of one Brownian path.

A source is ``paths(n) -> Noise``, the n-th of independent paths. A sampler that crosses an interval
again, as resampling steps do, uses another path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .rng import Rng, Shape, Streams
from .sampler import Noise
from .space import Space

Paths = Callable[[int], Noise]
"""``paths(n)``: the n-th of independent sources of noise."""

Draw = Callable[[str], Tensor]
"""``draw(name)``: unit noise that is a function of the name alone."""

BITS = 16
"""Each octave of sigma has 2^BITS grid points: neighbouring levels differ by 1 in 100,000."""


def fresh(space: Space, rng: Rng, shape: Shape, mask: Tensor | None = None) -> Paths:
    """Noise from the next numbers of the streams, whatever the interval."""

    def noise(sigma: float, sigma_next: float) -> Tensor:
        return space.noise(shape, rng, mask)

    return lambda n: noise


def brownian(
    space: Space,
    seed: int,
    purpose: str,
    indices: Sequence[int],
    shape: Shape,
    device: torch.device,
    mask: Tensor | None = None,
) -> Paths:
    """Increments of one Brownian path for each example.

    They depend on (seed, purpose, index, n) and the interval only.
    """

    def path(n: int) -> Noise:
        def draw(name: str) -> Tensor:
            return space.noise(
                shape, Streams(seed, f"{purpose} path {n} {name}", indices, device=device), mask
            )

        return BrownianPath(draw)

    return path


class BrownianPath:
    """A Brownian path W that can be evaluated at any noise levels in any order.

    It stores only the last point. Its clock is s = 1 / sigma^2, the signal-to-noise ratio. In y = x
    / sigma^2 the reverse diffusion is dy = D ds + dW (Montanari 2023, arXiv:2305.10690), and an
    ancestral step is Euler's: y + D Δs + ΔW. So a sampler with noise from W solves the same
    equation at any number of steps.

    W is a virtual Brownian tree (Li et al. 2020, arXiv:2001.01328, Sec. 4): each octave of sigma
    has its own increment, and bisection draws the value in the middle of an interval given its
    ends. The middles are those of ln sigma, which are dense where samplers step. Levels are rounded
    to the grid of BITS bisections, on which the law is exact.

    A step costs BITS draws, up to two for each octave that it touches, and four tensors like x.

    Args:
        draw: unit noise for a name, which is a node of the tree.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._last: tuple[int, Tensor] | None = None

    def __call__(self, sigma: float, sigma_next: float) -> Tensor:
        """(W(s_next) - W(s)) / sqrt(|s_next - s|): unit noise.

        At ``sigma_next`` = 0, where s is infinite, it is independent of the earlier path.
        """
        start, end = position(sigma), position(sigma_next) if sigma_next > 0 else None
        if end is None:
            return self._draw(f"end {start}")
        if start == end:  # closer than the grid resolves: use the next grid point
            end += 1
        return self._between(start, end) / math.sqrt(abs(clock(end) - clock(start)))

    def _between(self, start: int, end: int) -> Tensor:
        """W(end) - W(start); octaves in between count as a whole."""
        first, last = start >> BITS, end >> BITS
        if first > last:
            return -self._between(end, start)
        w_start, w_end = self._within(start), self._within(end)
        for octave in range(first, last):
            w_end = w_end + self._octave(octave)
        return w_end - w_start

    def _within(self, at: int) -> Tensor:
        """The increment of W from the start of the octave to this position."""
        if self._last is not None and self._last[0] == at:  # a step begins where the last one ended
            return self._last[1]
        low = at >> BITS << BITS
        high = low + (1 << BITS)
        w_high = self._octave(at >> BITS)
        w_low = torch.zeros_like(w_high)
        if at == low:
            return w_low
        while True:
            middle = (low + high) // 2
            w = self._bridge(low, middle, high, w_low, w_high)
            if at == middle:
                self._last = at, w
                return w
            if at < middle:
                high, w_high = middle, w
            else:
                low, w_low = middle, w

    def _octave(self, octave: int) -> Tensor:
        """The increment of W over an octave."""
        low, high = octave << BITS, (octave + 1) << BITS
        return self._draw(f"octave {octave}") * math.sqrt(clock(high) - clock(low))

    def _bridge(self, low: int, middle: int, high: int, w_low: Tensor, w_high: Tensor) -> Tensor:
        """W(middle) given its ends: normal around the straight line.

        The variance is (s - a) (b - s) / (b - a).
        """
        a, s, b = clock(low), clock(middle), clock(high)
        mean = w_low + (w_high - w_low) * ((s - a) / (b - a))
        return mean + self._draw(f"node {middle}") * math.sqrt((s - a) * (b - s) / (b - a))


def position(sigma: float) -> int:
    """The nearest grid point, counted from sigma = 1 towards less noise."""
    return round(-math.log2(sigma) * (1 << BITS))


def clock(position: int) -> float:
    """s = 1 / sigma^2 at a grid point."""
    return 4.0 ** (position / (1 << BITS))
