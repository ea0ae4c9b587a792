"""RePaint's resampling: every step of a sampler is taken several times, with noise in between, so
that new parts agree with given ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from ..noise import Paths
from ..sampler import Denoise, Noise
from ..stage import Stage


def solve(
    stage: Stage,
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    paths: Paths,
    resampling_steps: int = 1,
) -> Tensor:
    """``x`` brought from the first of the levels to the last by the stage's sampler.

    Each step goes down one level, and noise of the difference goes back up: x has the right spread
    throughout, and parts that were estimated without knowledge of each other are estimated again
    with it (Lugmayr et al. 2022, arXiv:2201.09865, Alg. 1). A solver that learns from its earlier
    steps starts anew each time.

    Args:
        paths: the noise; each crossing of the same interval, down or up, takes a path of its own.
        resampling_steps: how often each step is taken, except the last, which leaves no noise; 1 is
            the plain sampler.
    """
    if resampling_steps == 1:
        return _solved(stage, denoise, x, sigmas, paths(0))
    down, up = (
        [paths(2 * n) for n in range(resampling_steps)],
        [paths(2 * n + 1) for n in range(resampling_steps)],
    )
    for sigma, sigma_next in pairwise(sigmas):
        for n in range(resampling_steps if sigma_next > 0 else 1):
            if n > 0:
                x = x.add(up[n](sigma_next, sigma), alpha=math.sqrt(sigma**2 - sigma_next**2))
            x = _solved(stage, denoise, x, [sigma, sigma_next], down[n])
    return x


def _solved(
    stage: Stage, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise
) -> Tensor:
    for step in stage.sampler(denoise, x, sigmas, noise, **stage.knobs):
        x = step.x
    return x
