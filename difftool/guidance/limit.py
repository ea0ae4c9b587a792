"""limited: estimates that stay where the data lie, at the levels that need it."""

from __future__ import annotations

from torch import Tensor

from ..extent import Extent
from ..process.process import Preconditioning
from ..sampler import Denoise
from ..space import Space


def limited(
    denoise: Denoise,
    row: Preconditioning,
    space: Space,
    extent: Extent,
    mask: Tensor | None = None,
) -> Denoise:
    """``denoise``, its estimates brought into the extent of the data where ``row`` amplifies
    errors.

    A network that predicts the noise, x0 = x - sigma F, makes an error in x0 that grows with sigma
    (Ho et al. 2020, arXiv:2006.11239, clip it). The exact x0 lies in the extent, so an estimate
    outside of it comes closer.
    """

    def within_data(x: Tensor, sigma: float) -> Tensor:
        x0 = denoise(x, sigma)
        return space.limit(x0, extent, mask) if row.amplifies(sigma) else x0

    return within_data
