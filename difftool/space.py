"""Space: where noise lives, which entries are degrees of freedom, and how an error is averaged over them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from .rng import Rng, Shape
from .shapes import mean_per_example


class Space(ABC):
    """The linear space that ``x`` diffuses in. Samplers only scale and add, so what a Space closes under, they keep."""

    @abstractmethod
    def noise(self, shape: Shape, rng: Rng, mask: Tensor | None = None) -> Tensor:
        """Noise ``[b, ...]`` in the space, of unit variance per degree of freedom; zero on padding."""

    @abstractmethod
    def project(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The nearest point of the space to ``x``; idempotent."""

    @abstractmethod
    def mean_square(self, error: Tensor, mask: Tensor | None = None) -> Tensor:
        """``[b, ...] -> [b]``: the squared error, averaged over the degrees of freedom of each example."""

    def keep(self, estimate: Tensor, x0: Tensor, observed: Tensor, mask: Tensor | None = None) -> Tensor:
        """The estimate with what is given of the example in its place, a point of the space if ``estimate`` and ``x0`` are; idempotent.

        A space that a symmetry has been divided out of says here where the given entries lie, which is known up to the symmetry only.

        Args:
            observed: broadcasts to ``estimate``; True where ``x0`` is given.
        """
        return torch.where(observed, x0, estimate)


class Euclidean(Space):
    """Every unmasked entry is a degree of freedom."""

    def noise(self, shape: Shape, rng: Rng, mask: Tensor | None = None) -> Tensor:
        return self.project(rng.normal(shape), mask)

    def project(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x if mask is None else x * mask

    def mean_square(self, error: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return mean_per_example(error.square())
        kept = mean_per_example(mask.to(error.dtype).expand_as(error))
        return mean_per_example((error * mask).square()) / kept
