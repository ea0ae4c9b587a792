"""The multi-scale loss of simple diffusion: errors count at every resolution of an example."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..batch import Batch
from ..context import Context
from ..errors import UsageError
from ..objective import Denoising
from ..shapes import mean_per_example
from .options import MultiscaleOptions


class Multiscale(Denoising):
    """sum_s (1 / s) |P_s[F] - P_s[target]|^2, where P_s are means that leave s entries of an axis.

    Hoogeboom et al. 2023, arXiv:2301.11093, Sec. 3.2. Large examples have more high frequencies,
    which would otherwise outweigh the few that decide on shapes. The weights add up to 1.

    Raises:
        UsageError: the examples are points, which have no resolution.
    """

    options: MultiscaleOptions

    def __init__(self, options: MultiscaleOptions, context: Context) -> None:
        super().__init__(options, context)
        assert context.representation is not None
        shape = context.representation.shape
        if shape[0] is None or not 2 <= len(shape) <= 4:
            raise UsageError(
                f"The objective multiscale needs channels over one to three axes, and an encoded "
                f"example has the shape {tuple(shape)}. Set objective.use = denoising."
            )

    def mean_square(self, error: Tensor, batch: Batch) -> Tensor:
        whole = super().mean_square(error, batch)
        if batch.observed is not None:
            error = self.space.keep(error, torch.zeros_like(error), batch.observed, batch.mask)
        kept: Tensor | float = 1.0
        if batch.mask is not None:
            mask = batch.mask.to(error.dtype).expand_as(error)
            error, kept = error * mask, mean_per_example(mask)
        total, weights, weight = whole, 1.0, 1.0
        while max(error.shape[2:]) >= 2 * self.options.smallest:
            error, weight = _halved(error), 2 * weight
            total = total + weight * mean_per_example(error.square()) / kept
            weights += weight
        return total / weights


def _halved(x: Tensor) -> Tensor:
    """Means of two neighbours along each axis that has them; the last of an odd number counts
    alone.
    """
    sizes = [2 if n > 1 else 1 for n in x.shape[2:]]
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(sizes)]
    return pool(x, sizes, ceil_mode=True, count_include_pad=False)
