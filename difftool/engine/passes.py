"""How many evaluations of the network samples take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from ..denoiser import D, Denoiser
from .capture import Captured


@contextmanager
def counted(denoisers: Sequence[D]) -> Iterator[Callable[[], int]]:
    """A function that says how many examples the networks were given since the context began.

    An example that is guided is given twice, and one in tiles once for each tile. Networks with a
    memory of their own are not counted.
    """
    seen = 0

    def see(network: nn.Module, given: tuple[Any, ...]) -> None:
        nonlocal seen
        seen += len(given[0])

    recorded = [one for one in denoisers if isinstance(one, Captured)]
    before = sum(one.seen for one in recorded)
    hooks = [
        one.backbone.register_forward_pre_hook(see)
        for one in denoisers
        if isinstance(one, Denoiser)
    ]
    try:
        yield lambda: seen + sum(one.seen for one in recorded) - before
    finally:
        for hook in hooks:
            hook.remove()
