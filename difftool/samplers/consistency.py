"""Multistep sampling of a consistency model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..landing import lands, to_data
from ..sampler import Denoise, Noise, Step
from .order import order


@lands(to_data)
@order(None, pathwise=False)
def consistency(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise
) -> Iterator[Step]:
    """Multistep consistency sampling   (Song et al. 2023, arXiv:2303.01469, Alg. 1).

    D goes all the way to the data, and fresh noise goes back to the next level. The paper's D ends
    at a lowest level epsilon, and adds noise of sqrt(sigma_next^2 - epsilon^2); here D ends at 0.

    Only a consistency model draws the data this way. Of a model that was trained to denoise, each
    estimate is an average of many examples.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        x = x0
        if sigma_next > 0:
            x = torch.add(x0, noise(sigma, sigma_next), alpha=sigma_next)
        yield Step(i, sigma_next, x, x0)
