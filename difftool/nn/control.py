"""Control: a trainable copy of a frozen network that sees a map, and adds to the network's blocks.

ControlNet (Zhang et al. 2023, arXiv:2302.05543).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from .backbone import Backbone, Interface, Signals
from .taps import adding, blocks_of, channel_axis, first, hooked


class _Enough(Exception):
    """All blocks of the copy that are joined have run."""


class Join(nn.Module):
    """A matrix over the channels of a block's output that starts at zero (Sec. 3.1)."""

    def __init__(self, width: int, axis: int) -> None:
        super().__init__()
        self.weight, self.axis = nn.Parameter(torch.zeros(width, width)), axis

    def forward(self, h: Tensor) -> Tensor:
        return torch.nn.functional.linear(h.movedim(self.axis, -1), self.weight).movedim(
            -1, self.axis
        )


class Controlled(Backbone):
    """``network(x) `` whose blocks of the first half get ``scale * join(copy's block)`` added.

    The last channels of the signals are the map; only the copy sees them. As long as the joins are
    zero, this is the network.

    Args:
        network: stays as it is.
        copy: a network of the same kind that takes the map as further channels.
        interface: that of the whole.
        width: channels of the map.

    Attributes:
        scale: how much the map counts.
        others: further branches of the same network, whose maps follow the own one among the
            channels; what they add is added too.
    """

    inner_network = "network"

    def __init__(self, network: Backbone, copy: Backbone, interface: Interface, width: int) -> None:
        super().__init__()
        self.network, self.copy, self.width, self.scale = network, copy, width, 1.0
        self.others: tuple[Controlled, ...] = ()  # not a module: the model is one branch
        blocks = blocks_of(copy)
        if len(blocks) < 2:
            raise UsageError(
                f"The network {type(network).__name__} has no blocks to add to. Choose another "
                "backbone: a control branch joins a network block by block."
            )
        later = _later(copy, blocks)
        self._count = len(blocks) - len(later)
        widths = list(self._widths(interface, blocks[: self._count]))
        self.joins = nn.ModuleList(Join(*one) for one in widths)
        _removed(copy, later)

    def start(self) -> None:
        """Give the copy the weights of the network; it ignores the map at first."""
        own, theirs = self.copy.state_dict(), self.network.state_dict()
        with torch.no_grad():
            for name, tensor in own.items():
                before = theirs.get(name)
                if before is None:  # a layer by which only the map enters
                    continue
                if before.shape == tensor.shape:
                    tensor.copy_(before)
                else:  # the layer that the map enters by
                    tensor.zero_()[tuple(slice(n) for n in before.shape)] = before

    def regions(self) -> Iterator[nn.Module]:
        yield from ()

    def stepped(self) -> None:
        self.copy.stepped()

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        branches = (self, *self.others)
        widths = [branch.width for branch in branches]
        channels = signals.channels
        assert channels is not None, "the map is always given"
        own, maps = channels[:, : -sum(widths)], channels[:, -sum(widths) :].split(widths, 1)
        added = [
            branch.additions(
                x, c_noise, replace(signals, channels=torch.cat((own, shown), 1)), mask
            )
            for branch, shown in zip(branches, maps, strict=True)
        ]
        alone = replace(signals, channels=own if own.shape[1] else None)
        with adding(
            blocks_of(self.network)[: self._count], [_sum(one) for one in zip(*added, strict=True)]
        ):
            return self.network(x, c_noise, alone, mask)

    def additions(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None
    ) -> list[Tensor]:
        """What this branch adds to each block; its map is the last of the channels."""
        found = self._outputs(self.copy, x, c_noise, signals, mask)
        return [self.scale * join(h) for join, h in zip(self.joins, found, strict=True)]

    def _outputs(self, network: Backbone, *inputs: Any) -> list[Tensor]:
        """What the first blocks of a network give."""
        found = list[Tensor]()

        def keep(module: nn.Module, args: Any, output: Any) -> None:
            found.append(first(output))
            if len(found) == self._count:
                raise _Enough

        blocks = blocks_of(network)[: self._count]
        with suppress(_Enough), hooked(blocks, [keep] * self._count):
            network(*inputs)
        return found

    def _widths(
        self, interface: Interface, blocks: Sequence[nn.Module]
    ) -> Iterator[tuple[int, int]]:
        """The number of channels of each block's output, and their axis."""
        sizes = [16 if n is None else n for n in interface.shape]
        x = torch.zeros(1, *sizes)
        points = interface.shape[0] is None
        places = sizes[:1] if points else sizes[1:]
        signals = Signals(
            torch.zeros(1, interface.vector) if interface.vector else None,
            torch.zeros(1, 1, interface.tokens) if interface.tokens else None,
            torch.zeros(1, interface.channels, *places),
        )
        with torch.no_grad():
            outputs = self._outputs(self.copy, x, torch.zeros(1), signals, None)
        for block, output in zip(blocks, outputs, strict=True):
            axis = channel_axis(self.copy, block, output, points=points)
            yield output.shape[axis], axis


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


def _later(network: nn.Module, blocks: Sequence[nn.Module]) -> list[nn.Module]:
    """The blocks that are not copied: those of the decoder, or the second half."""
    decoder = getattr(network, "decoder", None)
    if isinstance(decoder, nn.Module):
        inside = set(decoder.modules())
        return [block for block in blocks if block in inside]
    return list(blocks[(len(blocks) + 1) // 2 :])


def _removed(network: nn.Module, blocks: Sequence[nn.Module]) -> None:
    """Put nothing in the place of blocks that never run."""
    gone = set(blocks)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in gone:
                setattr(parent, name, nn.Identity())
