"""frames: bytes <-> numbers from -1 to 1, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from difftool import Batch, Description, Euclidean, Options, Representation

from .given import GIVEN


class Frames(Representation):
    """0 is -1 and 255 is 1.

    Raw clips have frames first, ``[b, t, c, h, w]``; encoded ones have channels first, ``[b, c, t,
    h, w]``.
    """

    def __init__(self, options: Options | None, description: Description) -> None:
        del options
        self._told = (
            GIVEN in description.conditions and description.conditions[GIVEN].positional
        )  # else it is a column's name
        frames, *rest = description.shape
        self.shape = (rest[0], frames, *rest[1:])
        self.space = Euclidean()

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return {}

    def encode(self, raw: Batch) -> Batch:
        """uint8 ``[b, t, c, h, w]`` -> float32 ``[b, c, t, h, w]`` in [-1, 1], zero on padding.

        The condition ``given_frames`` ``[b, t]``, which says what frames are given, becomes those
        frames and, in one more channel, where they
        are: ``[b, c + 1, t, h, w]``.
        """
        mask = None if raw.mask is None else raw.mask.transpose(1, 2)
        x = self.space.project((raw.x.float() * (2 / 255) - 1).transpose(1, 2).contiguous(), mask)
        if not self._told:
            observed = None if raw.observed is None else raw.observed.transpose(1, 2)
            return Batch(x, raw.cond, mask, observed)
        given, observed = raw.cond[GIVEN].bool(), raw.observed
        # a clip that is edited may have more frames than the template, or fewer
        given = F.pad(given, (0, raw.x.shape[1] - given.shape[1]))
        if observed is None:
            return Batch(x, {**raw.cond, GIVEN: shown(x, given)}, mask, of_frames(given))
        kept = observed.expand(raw.x.shape).flatten(2)
        given = given | kept.all(2)  # frames that are kept whole are given
        return Batch(
            x,
            {**raw.cond, GIVEN: shown(x, given)},
            mask,
            of_frames(given) | observed.transpose(1, 2),
            noise_free=bool((given | ~kept.any(2)).all()),  # no part of another frame is kept
        )

    def decode(self, batch: Batch) -> Batch:
        """float32 ``[b, c, t, h, w]`` -> uint8 ``[b, t, c, h, w]``, to the nearest, clipped."""
        raw = batch.x.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        return Batch(
            raw.transpose(1, 2), mask=None if batch.mask is None else batch.mask.transpose(1, 2)
        )


UNIT = 2.0
"""What brings frames to about unit variance, as a network is given noisy ones.

Karras et al. 2022: their spread is about one half.
"""


def of_frames(marks: Tensor) -> Tensor:
    """``[b, t]`` for encoded clips, ``[b, 1, t, 1, 1]``."""
    return marks[:, None, :, None, None]


def shown(x: Tensor, given: Tensor) -> Tensor:
    """``x [b, c, t, h, w]``, ``given [b, t]`` -> ``[b, c + 1, t, h, w]``: the given frames, nothing
    for the others, and which is which.
    """
    where = given.to(x.dtype)[:, None, :, None, None].expand_as(x[:, :1])
    return torch.cat((UNIT * x * where, where), 1)
