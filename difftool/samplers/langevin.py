"""Annealed Langevin dynamics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ..sampler import Denoise, Noise, Step
from .interval import parts
from .order import order


@order(0, pathwise=False)
def langevin(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    inner_steps: int = 10,
    step_size: float = 0.2,
) -> Iterator[Step]:
    """Annealed Langevin dynamics   (Song & Ermon 2019, arXiv:1907.05600, Alg. 1).

    ``inner_steps`` evaluations a step, one for the step to 0, which is the denoising that
    Song & Ermon 2020, arXiv:2006.09011, add at the end. ``step_size`` is the paper's epsilon in
    units of the last noise level: alpha = step_size sigma^2. It follows the levels slowly and needs
    many of them; with finite steps, its variance is at most 1 / (1 - step_size / 4) times too
    large.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        if sigma_next == 0:
            x0 = denoise(x, sigma)
            x = x0.clone()
        else:
            alpha = step_size * sigma_next**2
            for part in parts(sigma, sigma_next, inner_steps):
                x0 = denoise(x, sigma_next)
                # x = x + alpha / 2 s(x; sigma) + sqrt(alpha) z, with s = (D - x) / sigma^2
                x = x.lerp(x0, step_size / 2).add_(noise(*part), alpha=math.sqrt(alpha))
        yield Step(i, sigma_next, x, x0)
