"""Random rotations of molecules, for networks that are not equivariant."""

from __future__ import annotations

import torch
from torch import Tensor

from difftool import Batch, Rng

from .centred import AXES


def rotate(raw: Batch, rng: Rng) -> Batch:
    """Each molecule ``[b, n, 5]`` turned about its centre, uniformly over all rotations."""
    turn = rotations(rng.normal((len(raw), 4)))
    return raw.with_x(torch.cat((raw.x[..., :AXES] @ turn.mT, raw.x[..., AXES:]), -1))


def rotations(normal: Tensor) -> Tensor:
    """Unit normal numbers ``[b, 4]`` -> rotations ``[b, 3, 3]``, uniformly distributed.

    Their directions are uniform quaternions (Shoemake 1992, Uniform random rotations).
    """
    w, x, y, z = torch.nn.functional.normalize(normal, dim=-1).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
