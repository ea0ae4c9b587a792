"""Backbone: the interface of every network, and the signals that condition it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Signals:
    """The conditions as the network takes them; each may be absent.

    Attributes:
        vector: ``[b, interface.vector]``, one global vector.
        tokens: ``[b, n, interface.tokens]``, a sequence for cross-attention.
        channels: ``[b, interface.channels, ...]`` at the positions of x, as further input channels.
            For points with features, x ``[b, n, f]``, they are ``[b, channels, n]``.
        token_mask: ``[b, n]``, True for a real token, False for padding; None when all tokens are
            real.
        memory: what ``Backbone.evaluate`` returned at an earlier evaluation of the same example,
            or the denoiser's estimate there; None at the first.
        end: ``[b]``, the noise level where a step ends, for a denoiser that is told it.
        scale: ``[b]``, the scale of guidance, for a denoiser that is told it.
    """

    vector: Tensor | None = None
    tokens: Tensor | None = None
    channels: Tensor | None = None
    token_mask: Tensor | None = None
    memory: Tensor | None = None
    end: Tensor | None = None
    scale: Tensor | None = None

    def __add__(self, other: Signals) -> Signals:
        """Vectors add up; tokens, their masks and channels are concatenated."""
        masks = (self.token_mask, other.token_mask)
        if masks != (None, None):  # one sequence may have no mask: all of its tokens are real
            masks = (_token_mask(self), _token_mask(other))
        return Signals(
            _merge(self.vector, other.vector, torch.add),
            _merge(self.tokens, other.tokens, _concatenated),
            _merge(self.channels, other.channels, _concatenated),
            _merge(*masks, _concatenated),
            _merge(self.memory, other.memory, _concatenated),
        )

    def seen_from(self, view: int) -> Signals:
        """The same signals with the memory of one of the views of an example, which are kept as
        ``[b, views, ...]``.
        """
        return self if self.memory is None else replace(self, memory=self.memory[:, view])

    def tensors(self) -> dict[str, Tensor]:
        """The signals that are present, by name: ``Signals(**signals.tensors())`` equals the
        original.
        """
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: tensor for name, tensor in named if tensor is not None}


def _token_mask(signals: Signals) -> Tensor | None:
    if signals.tokens is None or signals.token_mask is not None:
        return signals.token_mask
    return torch.ones(signals.tokens.shape[:2], dtype=torch.bool, device=signals.tokens.device)


def _concatenated(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat((a, b), 1)


def _merge(
    a: Tensor | None, b: Tensor | None, f: Callable[[Tensor, Tensor], Tensor]
) -> Tensor | None:
    return b if a is None else a if b is None else f(a, b)


@dataclass(frozen=True, slots=True)
class Interface:
    """The sizes of a network's inputs.

    Attributes:
        shape: shape of one encoded example; None for an axis that varies.
        vector, tokens, channels: widths of the signals; 0 if a signal is absent.
    """

    shape: tuple[int | None, ...]
    vector: int = 0
    tokens: int = 0
    channels: int = 0


def _members(modules: nn.ModuleList) -> Iterator[nn.Module]:
    for module in modules:
        yield from _members(module) if isinstance(module, nn.ModuleList) else (module,)


class Backbone(nn.Module, ABC):
    """A network that maps a noisy input to a prediction of the same shape.

    Attributes:
        checkpointing: recompute activations in the backward pass. The engine sets it; a network may
            ignore it.
        inner_network: name of a submodule that is a complete network, so that the weights of a
            stand-alone network of its kind can fill it; empty for none.
    """

    checkpointing: bool = False
    inner_network: str = ""

    def regions(self) -> Iterator[nn.Module]:
        """The modules that are compiled one by one; those of equal shapes share what is compiled.

        By default the blocks: the members of the network's lists of modules; the whole network
        where it has none.
        """
        lists = (child for child in self.children() if isinstance(child, nn.ModuleList))
        blocks = [block for members in lists for block in _members(members)]
        yield from blocks or [self]

    @abstractmethod
    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        """``x [b, ...]`` of unit variance, ``c_noise [b]`` of order one -> like ``x``.

        Padding, where ``mask`` is False, must not influence real entries.
        """

    def stepped(self) -> None:
        """Called without gradients after each step of the optimizer, to restore a constraint on
        the weights.
        """

    def evaluate(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The prediction, and what a network that remembers wants to find in ``Signals.memory`` at
        the next, lower noise level: ``[b, ...]``; None for most networks.
        """
        return self(x, c_noise, signals, mask), None
