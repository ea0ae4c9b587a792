"""Interpolate: from one example to another through their noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..edit import Edit, Given, Start
from ..shapes import expand_as
from .inversion import inverted
from .options import InterpolateOptions


def spherical(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """sin((1 - w) theta) / sin(theta) a + sin(w theta) / sin(theta) b   (Shoemake 1985).

    Unlike a straight line, it keeps the length of noise. ``a``, ``b`` ``[b, ...]``, theta their
    angle; ``weight [b]``.
    """
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(flat_a, flat_b).clamp(-1 + 1e-6, 1 - 1e-6)
    theta = cosine.acos()
    first, second = (
        expand_as(((part * theta).sin() / theta.sin()), a) for part in (1 - weight, weight)
    )
    return first * a + second * b


class Interpolate(Edit):
    """Both examples are inverted, and results are made from noise between theirs, under conditions
    between theirs. Of seeds, the noise is known.
    """

    options: InterpolateOptions
    pairs = True
    sampler = "euler"

    @property
    def films(self) -> bool:  # type: ignore[override]  # it depends on the options
        return self.options.clip

    @property
    def seeds(self) -> Sequence[int]:  # type: ignore[override]
        return self.options.seeds

    def _ends(self, given: Given) -> list[Tensor]:
        """x at the first noise level, of the first and of the second of each pair."""
        if given.ends is not None:
            return [noise * given.sigmas[0] for noise in given.ends]
        assert given.other is not None
        pairs = ((given.describe, given.x), (given.describe_other or given.describe, given.other))
        return [inverted(D, x, given.sigmas, self.options.iterations) for D, x in pairs]

    def start(self, given: Given) -> Start:
        assert given.weight is not None
        ends = self._ends(given)
        between = spherical(ends[0], ends[1], given.weight)
        x = given.space.project(between, given.mask)
        return Start(x, given.sigmas)
