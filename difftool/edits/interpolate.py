"""Interpolate: from one example to another through their noise."""

from __future__ import annotations

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
    """Both examples are inverted, and results are made from noise between theirs."""

    options: InterpolateOptions
    pairs = True
    sampler = "euler"

    @property
    def films(self) -> bool:  # type: ignore[override]  # it depends on the options
        return self.options.clip

    def start(self, given: Given) -> Start:
        assert given.other is not None
        assert given.weight is not None
        ends = [
            inverted(given.describe, x, given.sigmas, self.options.iterations)
            for x in (given.x, given.other)
        ]
        between = spherical(ends[0], ends[1], given.weight)
        x = given.space.project(between, given.mask)
        return Start(x, given.sigmas)
