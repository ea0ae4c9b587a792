"""The bridge from a prior, which makes embeddings, to the stage that makes examples of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..bridge import Bridge
from ..column import Column
from ..conditioners.columns import VectorColumn
from ..context import Context, Features
from ..description import Description
from ..errors import UsageError
from ..representation import Representation
from ..representations.embedding import directions, scaled
from ..rng import Rng
from .options import EmbeddingBridgeOptions

EMBEDDING, LEVEL, WIDTH = "embedding", "embedding_level", "embedding_width"


class EmbeddingBridge(Bridge):
    """The stage is conditioned on the direction of an embedding, a vector (the decoder of Ramesh et
    al. 2022, arXiv:2204.06125, Sec. 2.1).

    In training it is that of the stage's own example, by a pretrained network; in sampling it is what
    the prior makes.
    """

    def __init__(
        self,
        options: EmbeddingBridgeOptions,
        description: Description,
        representation: Representation,
        features: Features,
    ) -> None:
        self.options, self.representation, self.features = options, representation, features
        self.max_aug_level = options.max_aug_level
        self.width = int(description.measured.get(WIDTH, 0))

    @classmethod
    def build(cls, options: EmbeddingBridgeOptions, context: Context) -> Self:
        assert context.representation is not None
        assert context.features is not None  # the assembly of a run sets it
        return cls(options, context.description, context.representation, context.features)

    def conditions(self) -> tuple[Column, ...]:
        return VectorColumn(EMBEDDING, self.width), *self.aug_level_condition(LEVEL)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """How long an embedding is."""
        return {WIDTH: next(self.degrade(batch).x.shape[1] for batch in raw)}

    def check_compatible(self, earlier: Description) -> None:
        """Whether vectors have the right length is seen when the first is there."""

    def degrade(self, raw: Batch) -> Batch:
        return Batch(directions(self.options.path, self.features, raw.x))

    def encode(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        vector = scaled(low.x.float())
        batch = self.representation.encode(raw)
        if not self.max_aug_level:
            return batch.with_cond(**{EMBEDDING: vector})
        vector = vector + level[:, None] * rng.normal(vector.shape)
        return batch.with_cond(**{EMBEDDING: vector, LEVEL: level})

    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        if low.shape != (self.width,):
            raise UsageError(
                f"The stage makes examples of embeddings of {self.width} numbers, and it is given "
                f"{'x'.join(map(str, low.shape))}. Sample it after its prior."
            )
        return Batch(torch.from_numpy(low)[None]), raw
