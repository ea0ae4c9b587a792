"""Graph-captured sampling: on a CUDA device an evaluation of D is recorded once and replayed, so that a small network is not
bound by the time it takes to launch its kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from ..denoiser import Denoiser


class Captured:
    """A denoiser whose evaluations are CUDA graphs, one for each shape it meets.

    Called like the denoiser it wraps. Inputs are copied into the buffers that the graph reads.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self._graphs: dict[tuple, tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]] = {}

    def null(self, cond: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self._denoiser.null(cond)

    def __call__(self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        names = sorted(cond)
        inputs = [x, sigma, *(cond[name] for name in names), *([] if mask is None else [mask])]
        shapes = tuple((t.shape, t.dtype) for t in inputs)
        if shapes not in self._graphs:
            self._graphs[shapes] = self._record(inputs, names, mask is not None)
        graph, buffers, output = self._graphs[shapes]
        torch._foreach_copy_(buffers, inputs)
        graph.replay()
        return output.clone()

    def _record(self, inputs: list[Tensor], names: list[str], masked: bool) -> tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]:
        buffers = [t.clone() for t in inputs]

        def evaluate() -> Tensor:
            x, sigma, *rest = buffers
            mask = rest.pop() if masked else None
            return self._denoiser(x, sigma, dict(zip(names, rest, strict=True)), mask)

        self._warm_up(evaluate)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = evaluate()
        return graph, buffers, output

    @staticmethod
    def _warm_up(evaluate: Callable[[], Tensor]) -> None:
        """A few evaluations on a side stream: libraries choose their algorithms before the recording."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                evaluate()
        torch.cuda.current_stream().wait_stream(side)


@contextmanager
def captured(denoiser: Denoiser) -> Iterator[Denoiser | Captured]:
    """The denoiser, captured on a CUDA device; on others as it is."""
    if next(denoiser.parameters()).device.type != "cuda":
        yield denoiser
        return
    wrapper = Captured(denoiser)
    yield wrapper
    wrapper._graphs.clear()
