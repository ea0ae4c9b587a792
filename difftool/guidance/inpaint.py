"""keeping: estimates that are right where the example is observed."""

from __future__ import annotations

from collections.abc import Sequence

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


def keeping_softly(
    denoise: Denoise,
    space: Space,
    x0: Tensor,
    shares: Tensor,
    sigmas: Sequence[float],
    mask: Tensor | None = None,
) -> Denoise:
    """Estimates that are ``x0`` where an entry may not change yet, so that edges change less.

    An entry of share s comes free when a share s of the steps is left (Levin & Fried 2023,
    "Differential Diffusion", arXiv:2306.00950, Alg. 1).

    Args:
        shares: broadcasts to ``x0``; 0 never comes free, 1 always is.
        sigmas: the noise levels of all steps, from the largest to 0.
    """
    steps = len(sigmas) - 1

    def kept(x: Tensor, sigma: float) -> Tensor:
        left = sum(level <= sigma * (1 + 1e-6) for level in sigmas[:-1]) / steps
        return space.keep(denoise(x, sigma), x0, (shares < left) | (shares == 0), mask)

    return kept
