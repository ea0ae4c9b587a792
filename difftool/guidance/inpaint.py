"""keeping: estimates that are right where the example is observed."""

from __future__ import annotations

from torch import Tensor

from ..sampler import Denoise
from ..space import Space


def keeping(
    denoise: Denoise,
    space: Space,
    x0: Tensor,
    known: Tensor,
    mask: Tensor | None = None,
    *,
    clean: bool = False,
) -> Denoise:
    """Estimates that are ``x0`` where that is known.

    Song et al. 2021, arXiv:2011.13456, App. I.2.

    Args:
        clean: the network meets it without noise, as in its training.
    """

    def kept(x: Tensor) -> Tensor:
        return space.keep(x, x0, known, mask)

    return (
        (lambda x, sigma: kept(denoise(kept(x), sigma)))
        if clean
        else (lambda x, sigma: kept(denoise(x, sigma)))
    )
