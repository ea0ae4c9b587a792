"""Examples are squeezed through half as many channels and brought back: the least that an autoencoder is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from difftool import Batch, Context, Moment, Objective, Player, Rng


class Autoencoder(Objective):
    """|decode(encode(x)) - x|^2 by a linear encoder and decoder of channels."""

    generative = False

    def __init__(self, options: object, context: Context) -> None:
        super().__init__(options, context)
        channels, *sizes = context.representation.shape
        layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(sizes) - 1]
        self.autoencoder = nn.Sequential(
            layer(channels, max(1, channels // 2), 1), layer(max(1, channels // 2), channels, 1)
        )

    @property
    def model(self) -> nn.Module:
        return self.autoencoder

    def players(self) -> Sequence[Player]:
        return [Player("autoencoder", self.autoencoder)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        return self.space.mean_square(self.autoencoder(batch.x) - batch.x, batch.mask)

    def reconstruct(self, batch: Batch) -> Batch:
        return replace(batch, x=self.autoencoder(batch.x))
