"""clipped: estimates that stay where the data are."""

from __future__ import annotations

from ..sampler import Denoise


def clipped(denoise: Denoise, bound: float) -> Denoise:
    """Estimates clamped to [-bound, bound], where the data are known to lie.

    Ho et al. 2020, arXiv:2006.11239.
    """
    return lambda x, sigma: denoise(x, sigma).clamp(-bound, bound)
