"""A CUDA graph: kernels that are recorded once and launched together from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

Output = TypeVar("Output")


class Graph:
    """What a function does on the device, for the tensors that it met while it was recorded.

    A replay reads and writes the same memory. Whatever the function returned is written again.

    Args:
        pool: memory that graphs share which run one at a time.
        generators: other generators than torch's own that the function draws from. Set their seeds
            before each replay: the draws are those of the function itself after the same seeds.
    """

    def __init__(self, pool: Any, generators: Sequence[torch.Generator] = ()) -> None:
        self._graph, self._pool = torch.cuda.CUDAGraph(), pool
        for generator in generators:
            self._graph.register_generator_state(generator)

    def record(self, function: Callable[[], Output]) -> Output:
        """Record the function without running it on the device.

        Raises RuntimeError where it does what a recording cannot hold, such as waiting for the
        device. Only this thread is watched: the loader's may pin memory meanwhile.
        """
        with (
            torch.cuda.stream(torch.cuda.current_stream()),  # comes back to it after a failure
            torch.cuda.graph(
                self._graph, self._pool, torch.cuda.Stream(), capture_error_mode="thread_local"
            ),
        ):
            return function()

    def replay(self) -> None:
        self._graph.replay()


def new_pool() -> Any:
    """Memory for graphs that run one at a time, and whose results are copied at once."""
    return torch.cuda.graph_pool_handle()


@contextmanager
def waiting_is_an_error() -> Iterator[None]:
    """Inside the block, whatever waits for the device raises RuntimeError."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
