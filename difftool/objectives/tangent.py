"""The derivative of an estimate along a trajectory, by forward-mode differentiation."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..shapes import expand_as

STEP = 0.01
"""Half the relative distance of the two levels of a difference: its error is of order 1e-4."""

Estimate = Callable[[Tensor, Tensor], Tensor]
"""``(x [b, ...], sigma [b]) -> [b, ...]``."""


class Tangent:
    """d estimate / d ln t along a trajectory, without gradients.

    Forward-mode differentiation is exact and costs two evaluations. Where an operation of the
    network has none, the difference of two evaluations takes its place from then on.
    """

    def __init__(self) -> None:
        self.forward_mode = True

    @torch.no_grad()
    def __call__(
        self, estimate: Estimate, x: Tensor, t: Tensor, x0: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The estimate at (x, t), and its derivative by ln t.

        Args:
            x0: the end of the straight line on which x moves at t: dx / d ln t = x - x0.
        """
        if self.forward_mode:
            try:
                # the fused kernels have no forward mode; torch warns of what it imports for it
                with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)
                    found, slope = torch.func.jvp(estimate, (x, t), (x - x0, t))[:2]
                    return found, slope
            except (RuntimeError, NotImplementedError):
                self.forward_mode = False
        return estimate(x, t), difference(estimate, x, t, x0)


def difference(estimate: Estimate, x: Tensor, t: Tensor, x0: Tensor) -> Tensor:
    """The central difference by ln t."""
    above, below = (
        estimate(torch.lerp(x0, x, expand_as(torch.full_like(t, factor), x)), t * factor)
        for factor in (1 + STEP, 1 - STEP)
    )
    return (above - below) / (2 * STEP)
