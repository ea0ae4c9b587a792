"""Raw examples of a padded batch, each of its own size."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch


def unpadded(x: Tensor, shapes: Batch) -> list[np.ndarray]:
    """Each raw example as an array of its own, cut to the template's size and to the real entries
    of its mask.
    """
    whole = torch.ones(1, *(1,) * (x.ndim - 1), dtype=torch.bool)
    mask = (whole if shapes.mask is None else shapes.mask.cpu()).expand(shapes.x.shape)
    return [
        one[tuple(slice(_extent(real, axis)) for axis in range(real.ndim))].numpy()
        for one, real in zip(x, mask, strict=True)
    ]


def _extent(real: Tensor, axis: int) -> int:
    """Where the last real entry along an axis ends."""
    others = [i for i in range(real.ndim) if i != axis]
    return int((real.any(others) if others else real).nonzero().max()) + 1
