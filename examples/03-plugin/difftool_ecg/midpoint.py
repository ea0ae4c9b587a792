"""A sampler knows nothing of signals: this one serves every modality."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from difftool import Step, order


@order(2)
def midpoint(denoise, x, sigmas, noise) -> Iterator[Step]:
    """dx/dsigma = (x - D(x; sigma)) / sigma by the midpoint method: half an Euler step, and the slope found there for the whole."""
    for i, (sigma, to) in enumerate(pairwise(sigmas)):
        middle = (sigma + to) / 2
        halfway = x + (middle - sigma) * (x - denoise(x, sigma)) / sigma
        x0 = denoise(halfway, middle)
        x = x + (to - sigma) * (halfway - x0) / middle
        yield Step(i, to, x, x0)
