"""Resampling (RePaint): each step of a sampler is repeated, so that new parts fit given ones."""

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
    """Run the stage's sampler from the first noise level to the last; returns the last ``x``.

    With ``resampling_steps`` above 1, each step is repeated: noise is added to return to the level
    before it, and the step is taken again. So ``x`` always has the right amount of noise, and new
    parts are estimated again when they are closer to the given ones
    (Lugmayr et al. 2022, arXiv:2201.09865, Alg. 1). A multistep solver starts again at each step.

    Args:
        paths: sources of noise. Each pass over the same interval uses another one.
        resampling_steps: how often each step is taken. The last step, which removes all noise, is
            taken once.
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
