"""The adaptive solver of Dormand and Prince for the probability-flow ODE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import UsageError
from ..sampler import Denoise, Noise, Step
from .euler import euler_step
from .order import order
from .runge_kutta import slope

# Dormand & Prince 1980, J. Comp. Appl. Math. 6, Table 2: the nodes c, the stages a, and the
# difference e between the weights of order 5, which are the last stage, and those of order 4.
C = (0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1)
A = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
E = (71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)

SAFETY, SHRINK, GROW = 0.9, 0.2, 5.0
"""Factors of the next step   (Hairer et al. 1993, Solving ODEs I, Eq. II.4.13)."""


@order(0)
def rk45(
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    tolerance: float = 1e-4,
    max_evaluations: int = 2000,
) -> Iterator[Step]:
    """Adaptive steps of order 5 between the levels.

    Song et al. 2021, arXiv:2011.13456, Sec. 4.3.

    Each level is visited; between two of them the solver takes as many steps as its tolerance
    needs, six evaluations each, and starts with the size that the last one left. The step to 0 is
    Euler's. All examples of a batch take the same steps, those that the hardest of them needs: at
    other batch sizes a sample changes within the tolerance.

    Raises:
        UsageError: the tolerance needs more than ``max_evaluations``.
    """
    bound = max(tolerance, 16 * torch.finfo(x.dtype).eps)  # rounding cannot be undercut
    h, evaluations = 0.0, 0
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(x, sigma)
        evaluations += 1
        k_1 = slope(x, x0, sigma)
        h = h or sigma - sigma_next
        while sigma > sigma_next > 0:
            end = sigma - h if h < 0.999 * (sigma - sigma_next) else sigma_next
            proposal, x0_end, k_7, error = _attempt(denoise, x, k_1, sigma, end)
            evaluations += 6
            if evaluations > max_evaluations:
                raise UsageError(
                    f"rk45 needs more than {max_evaluations} evaluations for a tolerance of "
                    f"{tolerance:g}. Raise sampler.tolerance or sampler.max_evaluations: a network "
                    "that is not smooth cannot be solved to any tolerance."
                )
            ratio = _ratio(error, x, proposal, bound)
            taken = sigma - end
            if ratio <= 1:
                x, x0, k_1, sigma = proposal, x0_end, k_7, end
            factor = SAFETY * ratio**-0.2 if ratio > 0 else GROW
            h = (h if ratio <= 1 and taken < h else taken) * min(GROW, max(SHRINK, factor))
        if sigma_next == 0:
            x = euler_step(x, x0, sigma, 0.0)
        yield Step(i, sigma_next, x, x0)


def _attempt(
    denoise: Denoise, x: Tensor, k_1: Tensor, sigma: float, end: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x at ``end``, D and the slope there, and the difference between the orders 5 and 4."""
    h, slopes = end - sigma, [k_1]
    proposal, x0 = x, x
    for c, row in zip(C[1:], A[1:], strict=True):
        # x + h (a_1 k_1 + a_2 k_2 + ...)
        proposal = x
        for k, a in zip(slopes, row, strict=True):
            proposal = proposal.add(k, alpha=h * a)
        level = sigma + c * h if c < 1 else end
        x0 = denoise(proposal, level)
        slopes.append(slope(proposal, x0, level))
    error = torch.zeros_like(x)
    for k, e in zip(slopes, E, strict=True):
        error.add_(k, alpha=h * e)
    return proposal, x0, slopes[-1], error


def _ratio(error: Tensor, x: Tensor, proposal: Tensor, tolerance: float) -> float:
    """Root mean square of the error over tolerance (1 + |x|), of the worst example.

    Hairer et al. 1993, Solving ODEs I, Eq. II.4.11.
    """
    scale = tolerance * (1 + torch.maximum(x.abs(), proposal.abs()))
    return (error / scale).flatten(1).square().mean(1).sqrt().max().item()
