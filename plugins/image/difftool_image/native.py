"""Sizes for pictures of several aspect ratios that are trained on together: buckets.

Every picture is brought to the bucket whose proportions are nearest to its own. All buckets have
about one area, so that a batch of any of them takes about the same memory and time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from difftool import Batch, Streams

WIDEST = 2.0
"""Longer side over shorter side of the longest bucket; longer pictures lose their ends."""

Size = tuple[int, int]


@lru_cache(maxsize=16)
def buckets(side: int) -> list[Size]:
    """Heights and widths of about ``side**2`` pixels, from upright to lying.

    Multiples of 8, of 4 below 64 and of 2 below 16: networks halve sizes a few times.
    """
    step = 8 if side >= 64 else 4 if side >= 16 else 2
    found = {(step * max(1, round(side / step)),) * 2}
    for longer in range(step, math.ceil(side * math.sqrt(WIDEST)) + step, step):
        shorter = step * round(side**2 / longer / step)
        if shorter and 1 <= longer / shorter <= WIDEST:
            found |= {(longer, shorter), (shorter, longer)}
    return sorted(found, key=lambda size: (size[1] / size[0], size))


def nearest(size: Size, side: int) -> Size:
    """The bucket for a picture of this height and width."""
    ratio = math.log(size[0] / size[1])
    return min(
        buckets(side),
        key=lambda one: (
            round(abs(math.log(one[0] / one[1]) - ratio), 9),
            abs(one[0] * one[1] - side**2),
        ),
    )


def seen(sizes: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """The group of each of ``[count, 2]`` sizes, from 0; and of each group its height, its width
    and how many there are.
    """
    unlike, groups, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    rows = np.concatenate([unlike, counts[:, None]], 1)
    return groups.reshape(-1), rows.astype(int).tolist()


def usual(rows: Sequence[Sequence[int]]) -> Size:
    """The size that most pictures have."""
    height, width, _ = max(rows, key=lambda row: row[2])
    return height, width


def drawn(rows: Sequence[Sequence[int]], rng: Streams, n: int) -> list[Size]:
    """Sizes of ``n`` samples, as often as among the data."""
    ends = np.cumsum([row[2] for row in rows])
    places = (rng.uniform((n,)).double().cpu().numpy() * ends[-1]).astype(int)
    return [(rows[i][0], rows[i][1]) for i in np.searchsorted(ends, places, side="right")]


def mask_of(sizes: Sequence[Size]) -> Tensor | None:
    """``[n, 1, h, w]``: where pictures of these sizes lie in a batch; None where all fill it."""
    if len(set(sizes)) == 1:
        return None
    height, width = (max(one) for one in zip(*sizes, strict=True))
    mask = torch.zeros(len(sizes), 1, height, width, dtype=torch.bool)
    for place, (h, w) in enumerate(sizes):
        mask[place, :, :h, :w] = True
    return mask


def padded(examples: Sequence[np.ndarray]) -> Batch:
    """Pictures ``[..., h, w]`` that may differ in size as one batch, with zeros after the smaller
    ones and a mask.
    """
    mask = mask_of([(one.shape[-2], one.shape[-1]) for one in examples])
    if mask is None:
        return Batch(torch.from_numpy(np.stack(examples)))
    x = np.zeros((len(examples), *examples[0].shape[:-2], *mask.shape[-2:]), np.uint8)
    for place, one in enumerate(examples):
        x[place, ..., : one.shape[-2], : one.shape[-1]] = one
    return Batch(torch.from_numpy(x), mask=mask)


def mirrored(x: Tensor, mask: Tensor | None) -> Tensor:
    """``x`` with each example mirrored, and its padding still after it."""
    turned: Tensor = x.flip(-1)
    if mask is None or mask.shape[-1] == 1:
        return turned
    widths = mask.flatten(1, -2).any(1).sum(-1)  # [b]
    places = torch.arange(x.shape[-1], device=x.device)
    places = (places + (x.shape[-1] - widths)[:, None]) % x.shape[-1]
    return turned.gather(-1, places.view(len(x), *(1,) * (x.ndim - 2), -1).expand_as(x))
