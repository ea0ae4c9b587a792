"""What a training step takes, in memory and time, found before the first one is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ..batch import Batch
from ..data.dataset import Dataset
from ..errors import DeviceError
from ..figures import size
from ..objective import Moment, Objective
from ..rng import Rng, Stream
from ..stage import Stage
from .device import memory_in_use, memory_knobs, memory_total
from .shard import shards
from .step import encoded

LIGHT = 1e11
"""Operations of an example up to which a few are computed rather than imagined. They are bounded by
two for each parameter and position; networks that pool take 10 to 30 times fewer.
"""

FEW = 4
"""Number of examples that are computed, besides one alone."""

HELD = 1.3
"""Memory that a step holds at its peak, per byte that the forward pass keeps for the gradients: the
gradients themselves, and what the allocator wastes. Measured on the recipes of four modalities.
"""

COPIES = 3
"""Numbers kept for each trained number, besides its averages: itself and two moments."""

LIBRARIES = 30 << 20
"""Bytes of the libraries that the first step loads."""

QUEUED = 5
"""Batches in memory at once: those that are prepared ahead, and the one that is trained on."""

BACKWARD = 2
"""Operations of the backward pass per operation of the forward pass."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a training step takes.

    Attributes:
        fixed: bytes, whatever the batch.
        per_example: bytes for each example that is computed at once.
        part: number of examples computed at once.
        queued: bytes of the batches that are prepared ahead.
        seconds: of one step, on this process's share of the batch.
    """

    fixed: int
    per_example: int
    part: int
    queued: int
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes at the peak of a step."""
        return self.fixed + self.queued + self.part * self.per_example


def step_cost(stage: Stage, dataset: Dataset, ranks: int = 1) -> Cost | None:
    """The cost of a step on the largest example; None where it cannot be told.

    No memory is taken and no weight is changed. A light network computes one example; a heavy one
    only computes the shapes of its tensors, in milliseconds however large they are.

    Args:
        ranks: processes that share the batch.
    """
    assert stage.objective is not None
    train, share = stage.settings.train, stage.settings.train.batch // ranks
    part = share // train.accumulate
    at = np.array([dataset.cache.shapes.prod(1).argmax()])
    raw = dataset.training_batch(at, Stream(train.seed, "cost"))
    device = next(stage.objective.parameters()).device
    rng = Stream(train.seed, "cost", device=device)
    batch = encoded(
        stage, raw.map(lambda t: t.to(device)), rng, prepared=dataset.encoded is not None
    )
    positions = batch.x.numel() // min(batch.x.shape[1:])
    numbers = sum(p.numel() for p in stage.objective.parameters())
    light = device.type == "cpu" and 2 * numbers * positions <= LIGHT
    measure = _computed if light else _imagined
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        try:
            always, kept, seconds = measure(stage.objective, batch, part)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return None  # it needs numbers, or the code of a plugin is not made for this
    ema = stage.settings.ema
    copies = COPIES + len(ema.halflife) + len(ema.power)
    if shards(stage.objective, train, ema, ranks):
        copies = -(-copies // ranks)
    held = memory_in_use(device) + LIBRARIES - 4 * numbers if device.type == "cpu" else 0
    return Cost(
        fixed=held + int(HELD * always) + 4 * numbers * copies,
        per_example=int(HELD * kept),
        part=part,
        queued=QUEUED * share * raw.x.nbytes,
        seconds=(1 + BACKWARD) * seconds * share,
    )


def require_memory(cost: Cost, stage: Stage, device: torch.device) -> None:
    """Refuse a step that the memory cannot hold, before memory is taken or time is spent.

    Raises:
        DeviceError: it does not fit; names what to change.
    """
    there = memory_total(device)
    if cost.memory <= there:
        return
    train, least = stage.settings.train, cost.fixed + cost.per_example
    shape = " x ".join(map(str, stage.representation.shape)).replace("None", "any")
    smaller = "smaller examples in [modality], or a smaller network in [backbone]"
    knobs = [smaller] if least > there else [*memory_knobs(train), smaller]
    raise DeviceError(
        f"A training step would take about {size(cost.memory)} of memory, and the device {device} "
        f"has {size(there)}. Its parts are {size(cost.fixed)} whatever the batch, "
        f"{size(cost.per_example)} for each of {cost.part} examples of {shape} at once, and "
        f"{size(cost.queued)} for batches of {train.batch} that are read ahead. Try one of: "
        f"{'; '.join(knobs)}."
    )


class _Whole(nn.Module):
    """The loss of an objective's first player, as the forward of a module that holds all of it."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective, self.player = objective, objective.players()[0].name

    def forward(self, batch: Batch, rng: Rng) -> Tensor:
        return self.objective.loss(batch, rng, Moment(0, 1, 0), self.player).mean()


class _Kept:
    """Counts the bytes of the tensors that a forward pass keeps for the gradients."""

    def __init__(self, own: Iterable[Tensor]) -> None:
        self._own = {tensor.untyped_storage()._cdata for tensor in own}
        self._found: dict[int, torch.UntypedStorage] = {}  # kept alive, so that none is met again

    def __call__(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._own:
            self._found[storage._cdata] = storage
        return tensor

    @property
    def bytes(self) -> int:
        return sum(storage.nbytes() for storage in self._found.values())


def _counted(own: Iterable[Tensor], forward: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for the gradients, besides the network's ``own`` tensors."""
    kept = _Kept(own)
    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        loss = forward()  # it must live while the tensors are counted
    del loss
    return kept.bytes


def _computed(objective: Objective, batch: Batch, part: int) -> tuple[float, float, float]:
    """Of the forward pass: bytes kept whatever the batch, bytes and seconds for each example."""
    loss, rng, n = _Whole(objective), Stream(0, "cost", device=batch.x.device), min(FEW, part)
    some = batch.map(lambda t: t.repeat(n, *(1,) * (t.ndim - 1)))
    one, all_ = (_counted(loss.parameters(), partial(loss, b, rng)) for b in (batch, some))
    begun = time.perf_counter()
    loss(some, rng)  # the first pass also chose kernels
    seconds = (time.perf_counter() - begun) / n
    each = (all_ - one) / (n - 1) if n > 1 else one
    return max(one - each, 0), each, seconds


def _imagined(objective: Objective, batch: Batch, part: int) -> tuple[float, float, float]:
    """The same from shapes alone: tensors without memory, on a CPU that they only seem to be on."""
    from torch.utils.flop_counter import FlopCounterMode  # takes a third of a second

    loss, device = _Whole(objective), batch.x.device
    tensors = {**dict(loss.named_parameters()), **dict(loss.named_buffers())}
    with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as operations:
        weights = {name: _like(t).requires_grad_(t.requires_grad) for name, t in tensors.items()}
        many = batch.map(lambda t: _like(t, part if len(t) == 1 else len(t)))
        kept = _counted(
            weights.values(),
            lambda: torch.func.functional_call(loss, weights, (many, _Shapes())),
        )
    return 0, kept / part, operations.get_total_flops() / part / _speed(device)


def _like(tensor: Tensor, count: int | None = None) -> Tensor:
    shape = tensor.shape if count is None else (count, *tensor.shape[1:])
    return torch.empty(shape, dtype=tensor.dtype)


class _Shapes:
    """Random numbers of which only the shape matters."""

    device = torch.device("cpu")

    def normal(self, shape: object) -> Tensor:
        return torch.empty(tuple(shape))  # type: ignore[arg-type]

    uniform = normal


def _speed(device: torch.device, side: int = 1024) -> float:
    """Operations of a network per second on a device: a part of those of a product of matrices."""
    matrix = torch.ones(side, side, device=device)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - begun)
    return 2 * side**3 / min(seconds) / 2
