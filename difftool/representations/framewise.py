"""framewise: latents of each part of an example along its first axis, such as the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor

from ..batch import Batch
from ..description import Description
from ..nn.autoencoder.coder import Coder
from ..representation import Representation
from .latent import Latent
from .options import LatentOptions


class Framewise(Latent):
    """Raw ``[b, t, ...]`` -> latents ``[b, latents, t, ...]``, each frame by itself.

    A model of single frames and one of clips then have the same latents, so that ``train --init``
    takes the layers over space from the one, and trains those over time (Blattmann et al. 2023,
    arXiv:2304.08818, sec. 3.1).
    """

    def __init__(
        self,
        options: LatentOptions,
        description: Description,
        coder: Coder,
        inner: Representation,
        there: Description,
    ) -> None:
        frames, *rest = description.shape
        super().__init__(options, replace(description, shape=tuple(rest)), coder, inner, there)
        channels, *sizes = self.shape
        self.shape = (channels, frames, *sizes)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return super().measure(_folded(batch) for batch in raw)

    def encode(self, raw: Batch) -> Batch:
        return _unfolded(super().encode(_folded(raw)), raw)

    def prepare(self, raw: Batch) -> Batch:
        return _unfolded(super().prepare(_folded(raw)), raw)

    def decode(self, batch: Batch) -> Batch:
        b, _, t, *_ = batch.x.shape

        def apart(x: Tensor) -> Tensor:
            return x.transpose(1, 2).expand(b, t, -1, *x.shape[3:]).flatten(0, 1)

        mask = None if batch.mask is None else apart(batch.mask)
        back = super().decode(Batch(apart(batch.x), mask=mask))
        return Batch(back.x.unflatten(0, (b, t)), batch.cond)


def _folded(raw: Batch) -> Batch:
    """Every frame as an example of its own, without conditions."""
    b, t = raw.x.shape[:2]

    def apart(x: Tensor | None) -> Tensor | None:
        return None if x is None else x.expand(b, t, *x.shape[2:]).flatten(0, 1)

    return Batch(raw.x.flatten(0, 1), {}, apart(raw.mask), apart(raw.observed), raw.noise_free)


def _unfolded(frames: Batch, raw: Batch) -> Batch:
    """The frames of each example together, ``[b, c, t, ...]``, with the example's conditions."""
    b, t = raw.x.shape[:2]
    found = frames.map(lambda x: x.unflatten(0, (b, t)).transpose(1, 2))
    return replace(found, cond=raw.cond)
