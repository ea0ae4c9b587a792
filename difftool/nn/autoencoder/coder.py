"""Coder: what makes latents of examples, and examples of latents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from ...rng import Rng


class Coder(nn.Module, ABC):
    """A network that examples pass through on their way to latents and back.

    Attributes:
        channels: of an example.
        dimension: number of axes after the channels.
        latents: channels of the latents.
        reduction: how many positions become one latent, along each axis.
        causal: whether the first axis is time and its first latent is one frame.
    """

    channels: int
    dimension: int
    latents: int
    reduction: tuple[int, ...]
    causal: bool = False

    @abstractmethod
    def encode(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """``[b, channels, n...]`` -> the latents without chance, zero on padding, and their mask.

        Args:
            mask: broadcasts to ``x``; True for real entries.
        """

    @abstractmethod
    def decode(self, z: Tensor, mask: Tensor | None = None) -> Tensor:
        """Latents -> an example of ``decoded_size``.

        Args:
            mask: ``[b, 1, ...]``, that of the latents.
        """

    def moments(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """What ``draw`` draws latents from: their mean, and then their standard deviation if they
        have one; and the mask of the latents.
        """
        return self.encode(x, mask)

    def draw(self, moments: Tensor, rng: Rng) -> Tensor:
        """Latents from ``moments``."""
        del rng
        return moments

    def encoded_size(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The sizes of the latents of an example of these sizes."""
        found = [-(-n // step) for n, step in zip(sizes, self.reduction, strict=True)]
        if self.causal:
            found[0] = 1 - (1 - sizes[0]) // self.reduction[0]
        return tuple(found)

    def decoded_size(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The sizes of what latents of these sizes become."""
        found = [n * step for n, step in zip(sizes, self.reduction, strict=True)]
        return (found[0] - self.reduction[0] + 1, *found[1:]) if self.causal else tuple(found)

    def reach(self, axis: int) -> int | None:
        """Latents on either side of one, along an axis, that what is made of it may depend on.

        None if there is no bound: such a decoder cannot work in tiles.
        """
        del axis
        return None
