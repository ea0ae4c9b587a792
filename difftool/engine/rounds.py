"""Rounds: every step of a sampler taken several times, with fresh noise between, so that what is made comes to agree with what is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from ..stage import Stage

Denoise = Callable[[Tensor, float], Tensor]


def solve(stage: Stage, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Callable[[], Tensor], rounds: int = 1) -> Tensor:
    """``x`` brought from the first of the levels to the last by the stage's sampler.

    In a round a step goes down one level, and noise of the difference goes back up: x has the right spread throughout, and parts that were
    estimated without each other's knowledge are estimated again with it (Lugmayr et al. 2022, arXiv:2201.09865, Alg. 1). A solver that learns
    from its earlier steps begins anew in each.

    Args:
        rounds: how often each step is taken, but for the last, which leaves no noise; 1 is the sampler as it is.
    """
    if rounds == 1:
        return _solved(stage, denoise, x, sigmas, noise)
    for sigma, to in pairwise(sigmas):
        for left in reversed(range(rounds if to > 0 else 1)):
            x = _solved(stage, denoise, x, [sigma, to], noise)
            if left:
                x = x.add(noise(), alpha=math.sqrt(sigma**2 - to**2))
    return x


def _solved(stage: Stage, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Callable[[], Tensor]) -> Tensor:
    for step in stage.sampler(denoise, x, sigmas, noise, **stage.knobs):
        x = step.x
    return x
