"""Bottleneck: what lies between the encoder and the decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ...rng import Rng


class Bottleneck(nn.Module, ABC):
    """How the encoder's output becomes latents, and latents the decoder's input.

    Attributes:
        latents: channels of the latents.
        inputs: channels that the encoder gives.
    """

    latents: int
    inputs: int

    @abstractmethod
    def mean(self, h: Tensor) -> Tensor:
        """``[b, inputs, ...] -> [b, latents, ...]``: the latents, without chance."""

    def moments(self, h: Tensor) -> Tensor:
        """What ``sample`` needs: the mean; with a posterior, its standard deviation after it."""
        return self.mean(h)

    def sample(self, moments: Tensor, rng: Rng) -> Tensor:
        """Latents drawn from ``moments``."""
        del rng
        return moments

    def settled(self, z: Tensor) -> Tensor:
        """Latents as the decoder takes them: on their code, where there are codes.

        Gradients go straight through (Bengio et al. 2013, arXiv:1308.3432).
        """
        return z

    def penalty(self, h: Tensor, mask: Tensor | None) -> Tensor:
        """``[b]``: what the latents of each example cost, over real positions only."""
        del mask
        return h.new_zeros(len(h))

    def observe(self, h: Tensor, mask: Tensor | None, rng: Rng) -> None:
        """Note the vectors of a training batch; without gradients."""

    def stepped(self) -> None:
        """Called after each step of training, without gradients."""

    def health(self, h: Tensor, mask: Tensor | None) -> dict[str, float]:
        """Name -> number of how latents are used, for reports."""
        del h, mask
        return {}


class Plain(Bottleneck):
    """Latents are what the encoder gives."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.latents = self.inputs = latents

    def mean(self, h: Tensor) -> Tensor:
        return h


class Coded(Bottleneck):
    """A bottleneck with a finite number of codes at each position."""

    @property
    @abstractmethod
    def count(self) -> int:
        """The number of codes."""

    @abstractmethod
    def codes(self, z: Tensor) -> Tensor:
        """``[b, latents, ...] -> [b, ...]``: the index of the nearest code, int64."""

    @abstractmethod
    def vectors(self, codes: Tensor) -> Tensor:
        """``[b, ...] -> [b, latents, ...]``: the vector of each code."""

    def health(self, h: Tensor, mask: Tensor | None) -> dict[str, float]:
        """``used``: the share of codes that occur; ``perplexity``: as many equally frequent codes
        would say as much.
        """
        codes = self.codes(self.mean(h))
        if mask is not None:
            codes = codes[mask[:, 0].expand_as(codes)]
        counts = codes.flatten().bincount(minlength=self.count).double()
        share = counts[counts > 0] / counts.sum()
        return {
            "used": float((counts > 0).double().mean()),
            "perplexity": float((-(share * share.log()).sum()).exp()),
        }
