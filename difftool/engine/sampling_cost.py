"""What sampling takes, in memory and arithmetic, found by making a few samples with few steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..rng import Streams
from ..stage import Stage
from .generate import generate
from .live import continued, course_of, process_memory
from .sample_request import SampleRequest

STEPS = 4
"""Steps that are taken: as many as any sampler looks back, and one more."""

FEW = (2, 4)
"""Numbers of samples that are made."""


@dataclass(frozen=True, slots=True)
class SamplingCost:
    """What sampling takes.

    Attributes:
        state: bytes of the process and the model.
        fixed: further bytes, whatever the batch.
        per_sample: bytes for each sample that is made at once.
        batch: samples made at once.
        flops: operations for each sample.
        seconds: for each sample, by a few.
    """

    state: int
    fixed: int
    per_sample: int
    batch: int
    flops: float
    seconds: float

    @property
    def extra(self) -> int:
        """Bytes at the peak, besides the state."""
        return self.fixed + self.batch * self.per_sample

    @property
    def memory(self) -> int:
        """Bytes at the peak."""
        return self.state + self.extra


def sampling_cost(stage: Stage, request: SampleRequest) -> SamplingCost:
    """The cost of a request, whose first batch counts. No weight changes, nothing is written.

    Raises what ``generate`` raises.
    """
    batch = min(request.batch, request.n)
    device = next(stage.denoiser.parameters()).device
    counts = (min(FEW[0], batch), min(FEW[1], batch))
    at = _place_of_largest(stage, request, batch, counts[1])
    small, large = (few_of(request, n, at) for n in counts)
    _make(stage, few_of(request, 1, at))  # libraries are loaded by now
    held = _held(device)
    own = [t for module in _modules(stage) for t in (*module.parameters(), *module.buffers())]
    few = course_of(lambda: _make(stage, small), own, device)
    begun = time.perf_counter()
    more = course_of(lambda: _make(stage, large), own, device)
    seconds = (time.perf_counter() - begun) / large.n
    from .flops import flops_of  # not before: what it imports takes 80 MB

    flops = flops_of(lambda: _make(stage, small)) / small.n
    fixed, each = continued(few, more, counts, batch)
    longer = request.steps / small.steps
    return SamplingCost(held, int(fixed), int(each), batch, flops * longer, seconds * longer)


def few_of(request: SampleRequest, n: int, at: int = 0) -> SampleRequest:
    """So many samples of a request from its ``at``-th on, by few steps."""
    return replace(
        request,
        start=request.start + at,
        n=n,
        batch=n,
        steps=min(request.steps, STEPS),
        low=request.low[at : at + n],
    )


def _place_of_largest(stage: Stage, request: SampleRequest, batch: int, few: int) -> int:
    """Where a few samples lie of which the first batch's largest is the first, if possible."""
    if request.low or request.editing is not None:
        return 0
    indices = range(request.start, request.start + batch)
    rng = Streams(request.seed, "template", indices)
    mask = stage.modality.template(stage.description, batch, rng, request.shape).mask
    if mask is None or len(mask) < batch:
        return 0
    return min(int(mask.flatten(1).sum(1).argmax()), batch - few)


def _held(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return process_memory()


def _make(stage: Stage, request: SampleRequest) -> None:
    for _ in generate(stage, request):
        pass


def _modules(stage: Stage) -> Iterator[nn.Module]:
    yield stage.denoiser
    yield from (expert.denoiser for expert in stage.experts)
    if isinstance(stage.representation, nn.Module):
        yield stage.representation
