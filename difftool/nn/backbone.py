"""Backbone: the interface of every network, and the signals that steer it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Signals:
    """What the conditioners say to the network; each may be absent.

    Attributes:
        vector: ``[b, interface.vector]``, one global vector.
        tokens: ``[b, n, interface.tokens]``, a sequence to attend to.
        channels: ``[b, interface.channels, ...]``, laid beside x; beside points with features, ``[b, n, f]``, they are ``[b, channels, n]``.
        token_mask: ``[b, n]``, True for a real token, False for padding; None when all tokens are real.
    """

    vector: Tensor | None = None
    tokens: Tensor | None = None
    channels: Tensor | None = None
    token_mask: Tensor | None = None

    def __add__(self, other: Signals) -> Signals:
        """Vectors add; tokens, their masks and channels are laid one after another."""
        masks = (self.token_mask, other.token_mask)
        if masks != (None, None):  # of two sequences one may come without a mask: all of its tokens are real
            masks = (_token_mask(self), _token_mask(other))
        return Signals(
            _merge(self.vector, other.vector, torch.add),
            _merge(self.tokens, other.tokens, _beside),
            _merge(self.channels, other.channels, _beside),
            _merge(*masks, _beside),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Those that are present, by name: ``Signals(**signals.tensors())`` is the same again."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: tensor for name, tensor in named if tensor is not None}


def _token_mask(signals: Signals) -> Tensor | None:
    if signals.tokens is None or signals.token_mask is not None:
        return signals.token_mask
    return torch.ones(signals.tokens.shape[:2], dtype=torch.bool, device=signals.tokens.device)


def _beside(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((a, b), 1)


def _merge(a: Tensor | None, b: Tensor | None, f: Callable[[Tensor, Tensor], Tensor]) -> Tensor | None:
    return b if a is None else a if b is None else f(a, b)


@dataclass(frozen=True, slots=True)
class Interface:
    """The sizes that a network is built for.

    Attributes:
        shape: of one encoded example; None for an axis that varies.
        vector, tokens, channels: widths of the signals, 0 where there is none.
    """

    shape: tuple[int | None, ...]
    vector: int = 0
    tokens: int = 0
    channels: int = 0


class Backbone(nn.Module, ABC):
    """A network from noisy input to a prediction of the same shape.

    Attributes:
        checkpointing: recompute activations in the backward pass; set by the engine, and heeded by networks that can.
        inner_network: name of the part that is a network of its own, which the weights of such a network alone can fill; empty for none.
    """

    checkpointing: bool = False
    inner_network: str = ""

    @abstractmethod
    def forward(self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None) -> Tensor:
        """``x [b, ...]`` of unit variance, ``c_noise [b]`` of order one -> like ``x``; padding (mask False) reaches no real entry."""
