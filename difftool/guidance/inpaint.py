"""Estimates that are right where the example is observed, and fit it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..sampler import Denoise
from ..shapes import expand_as
from ..space import Space

MOST = 4.0
"""Times the length of an error that the change which undoes it may be long."""

TINY = 1e-12
"""Length below which a change is none."""

SPREAD = 0.5
"""Standard deviation of data in model units, about."""


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


def following(denoise: Denoise, project: Callable[[Tensor], Tensor], noise: float = 0.0) -> Denoise:
    """D - sigma^2 grad |D - project(D)|^2 / (2 r^2): estimates follow what is known of the example.

    Ho et al. 2022, arXiv:2204.03458, Eq. 7; Chung et al. 2023, arXiv:2209.14687, Alg. 1, with
    r^2 = sigma^2 spread^2 / (sigma^2 + spread^2) + noise^2 (Song et al. 2023,
    "Pseudoinverse-guided", Sec. 3.3).

    The change is at most ``MOST`` times as long as the error that it undoes. The exact D hardly
    changes with x at high noise; that of a network does, so that what is made would grow without
    bounds.

    Args:
        project: the nearest example that agrees with what is known.
        noise: standard deviation of the error of what is known.
    """

    def followed(x: Tensor, sigma: float) -> Tensor:
        variance = 1 / (1 / sigma**2 + 1 / SPREAD**2) + noise**2
        with torch.enable_grad():
            x_ = x.detach().requires_grad_()
            x0 = denoise(x_, sigma)
            error = x0 - project(x0.detach())
            (slope,) = torch.autograd.grad(error.square().sum() / (2 * variance), x_)
        change, x0 = sigma**2 * slope, x0.detach()
        most = error.detach().flatten(1).norm(dim=1) / change.flatten(1).norm(dim=1).clamp_min(TINY)
        return x0 - expand_as((MOST * most).clamp_max(1), change) * change

    return followed


def agreeing(denoise: Denoise, project: Callable[[Tensor], Tensor], level: float = 0.0) -> Denoise:
    """Estimates that agree with what is known (null-space projection, Wang et al. 2022,
    arXiv:2212.00490, Alg. 1).

    Args:
        project: the nearest example that agrees with what is known.
        level: standard deviation of the noise in what is known; below it the projection is weaker
            (Eq. 19).
    """

    def agreed(x: Tensor, sigma: float) -> Tensor:
        x0 = denoise(x, sigma)
        return torch.lerp(x0, project(x0), min(1.0, sigma / level) if level else 1.0)

    return agreed
