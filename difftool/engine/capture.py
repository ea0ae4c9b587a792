"""Graph-captured sampling: on a CUDA device an evaluation of D is recorded once and replayed, so that a small network is not
bound by the time it takes to launch its kernels. A network that cannot be recorded runs as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from ..denoiser import Cond, D, Denoiser
from ..errors import Notice, is_out_of_memory
from ..nn.backbone import Signals
from .graph import Graph, new_pool, waiting_is_an_error


class Recording(NamedTuple):
    """An evaluation that can be replayed: it reads ``inputs`` and writes ``output``, in place."""

    graph: Graph
    inputs: list[Tensor]
    output: Tensor


class Captured:
    """A denoiser whose evaluations are CUDA graphs, one for each shape it meets. Called like the denoiser it wraps.

    Attributes:
        seen: the number of examples that it was given.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self._recordings: dict[tuple, Recording | None] = {}  # None: it cannot be recorded
        self._pool = new_pool()
        self.seen = 0

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def signals(self, cond: Cond) -> Signals:
        return self._denoiser.signals(cond)

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        self.seen += len(x)
        names, tensors = list(signals.tensors()), list(signals.tensors().values())
        inputs = [x, sigma, *tensors, *([] if mask is None else [mask])]
        shapes = (*names, *((t.shape, t.dtype) for t in inputs))
        if shapes not in self._recordings:
            self._recordings[shapes] = self._record(inputs, names, mask is not None)
        recording = self._recordings[shapes]
        if recording is None:
            return self._denoiser(x, sigma, signals, mask)
        torch._foreach_copy_(recording.inputs, inputs)
        recording.graph.replay()
        return recording.output.clone()

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        if self._denoiser.remembers and self._denoiser.self_conditioning is None:
            # a recording has one output, and a network with a memory of its own has two
            return self._denoiser.remember(x, sigma, signals, mask)
        x0 = self(x, sigma, signals, mask)
        return x0, x0 if self._denoiser.remembers else None

    def _record(self, inputs: list[Tensor], names: list[str], masked: bool) -> Recording | None:
        kept = [t.clone() for t in inputs]

        def evaluate() -> Tensor:
            x, sigma, *rest = kept
            mask = rest.pop() if masked else None
            return self._denoiser(x, sigma, Signals(**dict(zip(names, rest, strict=True))), mask)

        with torch.cuda.device(kept[0].device):
            try:
                warm_up(evaluate)
                graph = Graph(self._pool)
                return Recording(graph, kept, graph.record(evaluate))
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0]
                warnings.warn(
                    f"The network cannot be recorded as a CUDA graph and is sampled from without one, slower: {reason}",
                    Notice,
                    stacklevel=2,
                )
                return None

    def clear(self) -> None:
        """Give the graphs' memory back."""
        self._recordings.clear()


def warm_up(evaluate: Callable[[], object]) -> None:
    """A few evaluations on a side stream: libraries choose their algorithms and tables move to the device before the recording.

    Raises RuntimeError when even the last of them waits for the device, which a recording could not do.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        evaluate()
        evaluate()
        with waiting_is_an_error():
            evaluate()
    torch.cuda.current_stream().wait_stream(side)


@contextmanager
def captured(denoiser: Denoiser) -> Iterator[D]:
    """The denoiser, captured on a CUDA device; on others as it is."""
    if next(denoiser.parameters()).device.type != "cuda":
        yield denoiser
        return
    wrapper = Captured(denoiser)
    try:
        yield wrapper
    finally:
        wrapper.clear()
