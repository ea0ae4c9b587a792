"""What the blocks of a network give, read or changed from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .backbone import Backbone

Hook = Callable[[nn.Module, Any, Any], Any]


def blocks_of(network: Backbone) -> list[nn.Module]:
    """The blocks of a network in the order in which they run, without the layers that join skips."""
    return [block for block in network.regions() if not isinstance(block, nn.Linear)]


def channel_axis(network: Backbone, block: nn.Module, output: Tensor, *, points: bool) -> int:
    """The axis of the channels in what a block gives.

    Args:
        points: whether examples are points with features, ``[b, n, f]``.
    """
    return 1 if not points and _is_grid(network, block) else output.ndim - 1


def _is_grid(network: Backbone, block: nn.Module) -> bool:
    """Whether a block works on ``[b, channels, ...]``, not on tokens ``[b, n, channels]``."""
    grids = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return hasattr(network, "walk") or any(isinstance(m, grids) for m in block.modules())


def first(output: Any) -> Tensor:
    """The main one of the outputs of a block."""
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def hooked(blocks: Sequence[nn.Module], hooks: Sequence[Hook]) -> Iterator[None]:
    """Inside, each block calls its hook after it has run."""
    handles = [block.register_forward_hook(hook) for block, hook in zip(blocks, hooks, strict=True)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def adding(blocks: Sequence[nn.Module], added: Sequence[Tensor]) -> Iterator[None]:
    """Inside, each block's output has something added to it."""

    def hook(more: Tensor) -> Hook:
        def add(module: nn.Module, args: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (output[0] + more.to(output[0].dtype), *output[1:])
            return output + more.to(output.dtype)

        return add

    with hooked(blocks, [hook(more) for more in added]):
        yield


@contextmanager
def reading(blocks: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Inside, what the blocks give is put into the list, in the order in which they run."""
    found = list[Tensor]()

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        found.append(first(output))

    with hooked(blocks, [keep] * len(blocks)):
        yield found
