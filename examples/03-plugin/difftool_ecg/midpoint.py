"""A sampler knows nothing of signals: this one serves every modality."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from difftool import Step, order


@order(2)
def midpoint(denoise, x, sigmas, noise) -> Iterator[Step]:
    """dx/dsigma = (x - D(x; sigma)) / sigma by the midpoint method: half an Euler step, and the slope found there for the whole."""
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        sigma_mid = (sigma + sigma_next) / 2
        x_mid = x + (sigma_mid - sigma) * (x - denoise(x, sigma)) / sigma
        x0 = denoise(x_mid, sigma_mid)
        x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid
        yield Step(i, sigma_next, x, x0)
