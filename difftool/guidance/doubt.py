"""How unlikely a sample is to the model: what it would take away of it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..sampler import Denoise
from ..space import Space

LEVELS = (0.05, 0.1, 0.2)
"""Noise levels, in model units, at which a sample is judged: of details, not of the whole."""


def doubt(denoise: Denoise, x: Tensor, space: Space, mask: Tensor | None = None) -> Tensor:
    """``[b]``: the mean of |x - D(x; s)|^2 / s^2 over levels s.

    By Tweedie's formula, x - D = -s^2 grad ln p_s(x) (Efron 2011, doi:10.1198/jasa.2011.tm11181,
    Eq. 2.8): it is zero at a mode of the data with so much noise, and grows where x should be
    elsewhere, as an atom should that is too near to another.
    """
    taken = [space.mean_square(x - denoise(x, level), mask) / level**2 for level in LEVELS]
    return torch.stack(taken).mean(0)
