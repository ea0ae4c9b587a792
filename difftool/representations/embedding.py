"""embedding: each example as one vector, by a pretrained network that does not learn: a prior."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..batch import Batch
from ..context import Context, Features
from ..description import Description
from ..errors import UsageError
from ..nn.pretrained import applied
from ..representation import Representation
from ..space import Euclidean
from .options import EmbeddingOptions
from .standard import ChannelTotal


class Embedding(Representation):
    """Raw examples -> ``[b, d, 1]``, the standardised directions of their embeddings.

    A model of these is a prior (Ramesh et al. 2022, arXiv:2204.06125, Sec. 2.2): from a text it makes
    the embedding of an example, and the stage with the bridge ``embedding`` makes an example of that.
    An embedding is not inverted: what decodes to is the vector ``[b, d]``.
    """

    cached = "auto"
    makes_vectors = True

    def __init__(
        self, options: EmbeddingOptions, description: Description, features: Features
    ) -> None:
        self.options, self.features, self.measured = options, features, description.measured
        self.space = Euclidean()
        width = len(self.measured["mean"]) if "mean" in self.measured else self._probed(description)
        self.shape = (width, 1)

    @classmethod
    def build(cls, options: EmbeddingOptions, context: Context) -> Self:
        assert context.features is not None  # the assembly of a run sets it
        return cls(options, context.description, context.features)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """The mean, the standard deviation and the range of each entry of a direction."""
        total = ChannelTotal(per_channel=True)
        for batch in raw:
            total.add(Batch(directions(self.options.path, self.features, batch.x)[..., None]))
        return total.to_json()

    def encode(self, raw: Batch) -> Batch:
        x = directions(self.options.path, self.features, raw.x)[..., None]
        return raw.with_x((x - self._row("mean", x)) * self._scale(x))

    def decode(self, batch: Batch) -> Batch:
        x = batch.x.float() / self._scale(batch.x) + self._row("mean", batch.x)
        return batch.with_x(x.squeeze(-1))

    def _probed(self, description: Description) -> int:
        if None in description.shape:
            raise UsageError(
                "The representation embedding needs examples of one size. Give them one size in "
                "[modality]."
            )
        sizes = [n for n in description.shape if n is not None]
        one = torch.zeros(1, *sizes, dtype=getattr(torch, description.dtype))
        return directions(self.options.path, self.features, one).shape[1]

    def _scale(self, like: Tensor) -> Tensor:
        return self.options.spread / self._row("std", like)

    def _row(self, name: str, like: Tensor) -> Tensor:
        return torch.tensor(self.measured[name], device=like.device).reshape(-1, 1)


def directions(path: str, features: Features, raw: Tensor) -> Tensor:
    """``[b, ...]`` raw examples -> ``[b, d]`` float32: their embeddings with a root mean square of 1.

    Raises UsageError where no network is named, or it cannot be loaded.
    """
    if not path:
        raise UsageError(
            "No network is named that embeds examples. Set representation.path or bridge.path to a "
            "folder as the library transformers saves it, such as CLIP or CLAP."
        )
    network = features(path)
    with applied(path):
        vectors = network([np.ascontiguousarray(one) for one in raw.cpu().numpy()])
    return scaled(torch.from_numpy(np.asarray(vectors, np.float32)).to(raw.device))


def scaled(vectors: Tensor) -> Tensor:
    """``[b, d]`` with a root mean square of 1: embeddings are compared by their direction only."""
    return F.normalize(vectors, dim=1) * math.sqrt(vectors.shape[1])
