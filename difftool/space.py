"""Space: the space of the noise, its degrees of freedom, and the mean over them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from .extent import Extent
from .rng import Rng, Shape
from .shapes import expand_as, mean_per_example


class Space(ABC):
    """The linear space in which ``x`` diffuses. Samplers only scale and add, so they stay in it.

    Attributes:
        entrywise: whether noise of another variance for each entry stays in it. Else an example has
            one variance.
        places: for points ``[b, n, f]``, how many of the first entries of a point are its place; 0
            for examples on a grid.
    """

    entrywise: bool = False
    places: int = 0

    @abstractmethod
    def noise(self, shape: Shape, rng: Rng, mask: Tensor | None = None) -> Tensor:
        """Noise ``[b, ...]`` of unit variance per degree of freedom; zero on padding."""

    @abstractmethod
    def project(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The nearest point of the space to ``x``; idempotent."""

    @abstractmethod
    def mean_square(self, error: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[b, ...] -> [b]``: mean squared error over the degrees of freedom of each example."""

    def mean(self, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[b, ...] -> [b]``: the mean of a value of each entry over the real ones."""
        if mask is None:
            return mean_per_example(value)
        kept = mask.to(value.dtype).expand_as(value)
        return mean_per_example(value * kept) / mean_per_example(kept)

    def keep(
        self, estimate: Tensor, x0: Tensor, observed: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """The estimate with the observed entries of ``x0`` in place; idempotent.

        It is a point of the space if ``estimate`` and ``x0`` are. A space modulo a symmetry
        overrides this, because the observed entries are known only up to that symmetry.

        Args:
            observed: broadcasts to ``estimate``; True where ``x0`` is observed.
        """
        return torch.where(observed, x0, estimate)

    def limit(self, estimate: Tensor, extent: Extent, mask: Tensor | None = None) -> Tensor:
        """The estimate, brought to where the data lie; idempotent.

        An example of a larger root mean square than any of the data is scaled down. That keeps it
        in the space, and is the same after a rotation.
        """
        rms = self.mean_square(estimate, mask).sqrt()
        scale = (extent.rms / rms.clamp_min(torch.finfo(rms.dtype).tiny)).clamp_max(1)
        return estimate * expand_as(scale, estimate)


class Euclidean(Space):
    """Every unmasked entry is a degree of freedom."""

    entrywise = True

    def noise(self, shape: Shape, rng: Rng, mask: Tensor | None = None) -> Tensor:
        return self.project(rng.normal(shape), mask)

    def project(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x if mask is None else x * mask

    def mean_square(self, error: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return mean_per_example(error.square())
        kept = mean_per_example(mask.to(error.dtype).expand_as(error))
        return mean_per_example((error * mask).square()) / kept

    def limit(self, estimate: Tensor, extent: Extent, mask: Tensor | None = None) -> Tensor:
        """Scaled down as a whole, then each value is clamped to the range of the data.

        The scaling keeps what is bright and what is dark where clamping alone would saturate both,
        as dynamic thresholding does (Saharia et al. 2022, arXiv:2205.11487, sec. 2.3).
        """
        inside = super().limit(estimate, extent, mask).clamp(extent.low, extent.high)
        return self.project(inside, mask)
