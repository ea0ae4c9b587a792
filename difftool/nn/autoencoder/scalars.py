"""fsq: each channel is rounded to a few levels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .bottleneck import Coded


class FiniteScalars(Coded):
    """Finite scalar quantisation (Mentzer et al. 2023, arXiv:2309.15505).

    There is no codebook to learn, so none of it can die. Latents are bounded numbers from -1 to 1;
    ``settled`` rounds them to ``levels`` equally spaced ones.

    Args:
        levels: of each channel.
    """

    places: Tensor
    steps: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.latents = self.inputs = len(self.levels)
        places = [math.prod(self.levels[:i]) for i in range(len(self.levels))]
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.register_buffer(
            "steps", torch.tensor([level - 1.0 for level in self.levels]), persistent=False
        )

    @property
    def count(self) -> int:
        return math.prod(self.levels)

    def mean(self, h: Tensor) -> Tensor:
        return h.tanh()

    def settled(self, z: Tensor) -> Tensor:
        return z + (self._values(self._digits(z)).to(z.dtype) - z).detach()

    def codes(self, z: Tensor) -> Tensor:
        return (self._digits(z).long() * self._spread(self.places, z)).sum(1)

    def vectors(self, codes: Tensor) -> Tensor:
        columns = [
            codes // place % level
            for place, level in zip(self.places.tolist(), self.levels, strict=True)
        ]
        return self._values(torch.stack(columns, 1).float())

    def _digits(self, z: Tensor) -> Tensor:
        """The level of each number, from 0."""
        steps = self._spread(self.steps, z)
        return ((z.float().clamp(-1, 1) + 1) / 2 * steps).round()

    def _values(self, digits: Tensor) -> Tensor:
        return digits / self._spread(self.steps, digits) * 2 - 1

    def _spread(self, row: Tensor, like: Tensor) -> Tensor:
        return row.view(-1, *(1,) * (like.ndim - 2))
