"""Parts of a step's interval, for samplers that draw noise more than once in a step."""

from __future__ import annotations

from itertools import pairwise


def parts(sigma: float, sigma_next: float, n: int) -> list[tuple[float, float]]:
    """n intervals that do not overlap, from ``sigma`` to ``sigma_next``.

    Noise of intervals that do not overlap is independent, also along one path. The ends are evenly
    spaced in ln sigma, or in sigma where the step ends at 0.
    """
    if sigma_next > 0:
        inner = [sigma * (sigma_next / sigma) ** (i / n) for i in range(1, n)]
    else:
        inner = [sigma * (1 - i / n) for i in range(1, n)]
    ends = [sigma, *inner, sigma_next]
    return list(pairwise(ends))
