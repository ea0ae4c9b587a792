"""The space of point clouds: its noise does not move the centre of mass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from difftool import Rng, Space

AXES = 3


class Centred(Space):
    """``[b, n, 3 + f]``, the first three of each point its position: positions have zero mean over
    the real points of their example.

    No normal distribution on all of space is the same after every translation; on this subspace
    there is one (Köhler et al. 2020, arXiv:2006.02425; Hoogeboom et al. 2022, arXiv:2203.17003).
    Its degrees of freedom are 3 (n - 1) + n f. A mask is ``[b or 1, n, 1]``.

    Args:
        ceiling: points for which noise is drawn whatever the size of a batch, so that an example's
            noise does not depend on how far its neighbours make it be padded; the size of the
            largest example. In a larger batch it is drawn for as many as there are.
    """

    places = AXES

    def __init__(self, ceiling: int = 0) -> None:
        self.ceiling = ceiling

    def noise(self, shape: Sequence[int], rng: Rng, mask: Tensor | None = None) -> Tensor:
        b, n, width = shape
        return self.project(rng.normal((b, max(n, self.ceiling), width))[:, :n], mask)

    def project(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        positions, features = x[..., :AXES], x[..., AXES:]
        return _masked(torch.cat((positions - centre(positions, mask), features), -1), mask)

    def mean_square(self, error: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.project(error, mask).square().sum((1, 2)) / self.freedom(error, mask)

    def keep(
        self, estimate: Tensor, x0: Tensor, observed: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The known points, moved as one body to the mean of where they were estimated, in place of
        the estimates; then centred again.

        Where a molecule lies is not a degree of freedom: known atoms fix each other's places and
        not that of the whole. Features may be known, entry by entry, of points whose position is
        not.
        """
        moved = torch.cat(
            (
                centre((estimate - x0)[..., :AXES], observed[..., :1]),
                torch.zeros_like(x0[:, :1, AXES:]),
            ),
            -1,
        )
        return self.project(torch.where(observed, x0 + moved, estimate), mask)

    def freedom(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Degrees of freedom of each example, ``[b]``; at least one, because errors are divided by
        it.
        """
        b, n, width = x.shape
        points = x.new_full((b,), n) if mask is None else mask.sum((1, 2), dtype=x.dtype)
        return (width * points - AXES).clamp(min=1)


def centre(positions: Tensor, real: Tensor | None) -> Tensor:
    """``[b, n, 3]``, ``[b or 1, n, 1]`` -> the mean over real points, ``[b, 1, 3]``; zero where
    there are none.
    """
    if real is None:
        return positions.mean(1, keepdim=True)
    real = real.to(positions.dtype)
    return (positions * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask
