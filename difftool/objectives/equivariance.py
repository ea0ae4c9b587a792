"""Changes of examples that latents shall follow: a smaller scale, and shifts."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ..rng import Rng

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
SMALLEST = 0.4
"""Of the sizes of smaller copies, relative to the example's."""


def shrunk(
    z: Tensor, x: Tensor, reduction: Sequence[int], kept: int, rng: Rng
) -> tuple[Tensor, Tensor]:
    """Latents and examples of one smaller scale, which is drawn.

    Args:
        reduction: positions of ``x`` for one of ``z``, along each axis.
        kept: the number of axes, the first ones, that do not change.
    """
    scale = SMALLEST + (1 - SMALLEST) * float(rng.uniform((1,)))
    sizes = [n if axis < kept else max(1, round(scale * n)) for axis, n in enumerate(z.shape[2:])]
    wanted = [
        x.shape[axis + 2] if axis < kept else n * step
        for axis, (n, step) in enumerate(zip(sizes, reduction, strict=True))
    ]
    mode = MODES[len(sizes)]
    return F.interpolate(z, sizes, mode=mode), F.interpolate(x, wanted, mode=mode)


def shifted(
    z: Tensor, x: Tensor, reduction: Sequence[int], kept: int, rng: Rng
) -> tuple[Tensor, Tensor]:
    """Latents and examples moved by less than one latent along each axis, by amounts that are drawn.

    Zhou et al. 2025, arXiv:2503.09419, ask for this of latents at places between their own. What is
    moved out is cut off.

    Args: as of ``shrunk``.
    """
    draws = rng.uniform((len(reduction),)).tolist()
    for axis, (step, draw) in enumerate(zip(reduction, draws, strict=True), 2):
        by, n = int(draw * step), z.shape[axis]
        if axis - 2 < kept or n < 2 or not by:
            continue
        share = by / step
        z = (1 - share) * z.narrow(axis, 0, n - 1) + share * z.narrow(axis, 1, n - 1)
        x = x.narrow(axis, by, min((n - 1) * step, x.shape[axis] - by))
    return z, x
