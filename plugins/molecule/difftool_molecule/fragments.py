"""Random fragments of molecules, which a model that is trained with masks is given."""

from __future__ import annotations

import torch
from torch import Tensor

from difftool import Rng


def fragments(positions: Tensor, mask: Tensor | None, rng: Rng) -> Tensor:
    """``[b, n, 3]``, ``[b or 1, n, 1]`` -> ``[b, n, 1]``: the atoms that are given. Nothing in half of
    the molecules; else all but an atom and its nearest neighbours, mostly few of them, or in every
    fourth these alone.

    So linkers, ends and larger parts are missing, each with its hydrogens, which are the nearest.
    """
    b, n, _ = positions.shape
    real = positions.new_ones(b, n) > 0 if mask is None else mask[..., 0].bool().expand(b, n)
    some, inside, centre, size = rng.uniform((b, 4)).T
    atoms = real.sum(1)
    first = (centre * atoms).long().clamp(max=n - 1)
    near = (positions - positions[torch.arange(b, device=positions.device), first][:, None]).norm(
        dim=-1
    )
    order = near.masked_fill(~real, torch.inf).argsort(1).argsort(1)
    count = 1 + (size.square() * (atoms - 1)).long()
    part = order < count[:, None]
    given = torch.where(inside[:, None] < 1 / 4, part, ~part) & (some[:, None] < 1 / 2) & real
    return given[..., None]
