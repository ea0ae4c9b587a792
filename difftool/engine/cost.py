"""What a training step takes, in memory and time, found before the first one is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

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
from .live import Course, Live, continued, course_of
from .shard import shards
from .step import encoded

LIGHT = 1e11
"""Operations of an example up to which a few are computed rather than imagined. They are bounded by
two for each parameter and position; networks that pool take 10 to 30 times fewer.
"""

FEW = (2, 4)
"""Numbers of examples that are computed; one alone often takes a way of its own."""

BACKWARD = 2
"""Time of the backward pass per time of the forward pass."""

LOOKED_AT = 256
"""Batches among which the largest is sought."""

COPIES = 3
"""Numbers kept for each trained number, besides its averages: itself and two moments."""

LIBRARIES = 64 << 20
"""Bytes of the libraries that the first step loads."""

QUEUED = 5
"""Batches in memory at once: those that are prepared ahead, and the one that is trained on."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a training step takes.

    Attributes:
        state: bytes of the process, the weights, the optimizer's state and the averages.
        fixed: bytes, whatever the batch, the state among them.
        per_example: bytes for each example that is computed at once.
        part: number of examples computed at once.
        queued: bytes of the batches that are prepared ahead.
        seconds: of one step, on this process's share of the batch.
    """

    state: int
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
    """The cost of a step on the largest of the first batches; None where it cannot be told.

    No weight is changed. A light network computes a few of its examples; of a heavy one only the
    shapes of its tensors are computed, which takes no memory however large they are.

    Args:
        ranks: processes that share the batch.
    """
    assert stage.objective is not None
    train, share = stage.settings.train, stage.settings.train.batch // ranks
    part = share // train.accumulate
    device = next(stage.objective.parameters()).device
    largest = _largest(dataset, train.seed, train.batch)
    few, more = (_some(stage, dataset, largest, n) for n in FEW)
    positions = more.x[0].numel() // min(more.x.shape[1:])
    numbers = sum(p.numel() for p in stage.objective.parameters())
    held = memory_in_use(device) + LIBRARIES - 4 * numbers if device.type == "cpu" else 0
    light = device.type == "cpu" and 2 * numbers * positions <= LIGHT
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        try:
            if light:
                always, kept, seconds = _computed(stage.objective, few, more, part)
            else:
                always, kept, seconds = _imagined(stage.objective, more, part)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return None  # it needs numbers, or the code of a plugin is not made for this
    ema = stage.settings.ema
    copies = COPIES + len(ema.halflife) + len(ema.power)
    if shards(stage.objective, train, ema, ranks):
        copies = -(-copies // ranks)
    state = held + 4 * numbers * copies
    return Cost(
        state=state,
        fixed=state + int(always),
        per_example=int(kept),
        part=part,
        queued=QUEUED * share * _bytes_of_example(dataset, largest[0]),
        seconds=seconds * share,
    )


def step_flops(stage: Stage, dataset: Dataset) -> float | None:
    """Operations of a step for each example, as ``batch_flops``."""
    assert stage.objective is not None
    largest = _largest(dataset, stage.settings.train.seed, stage.settings.train.batch)
    return batch_flops(stage.objective, _some(stage, dataset, largest, FEW[1]))


def batch_flops(objective: Objective, batch: Batch) -> float | None:
    """Operations for each example of a batch, forward and backward; None where it cannot be told.

    Counted from shapes alone where that is possible, which needs no memory.
    """
    from .flops import flops_of  # its imports take a third of a second

    device = batch.x.device
    ways: list[Callable[[], object]] = [
        lambda: _shapes_alone(objective, batch, len(batch)),
        lambda: _passes(objective, batch),  # it needs numbers
    ]
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        for way in ways:
            with suppress(RuntimeError, NotImplementedError, TypeError, ValueError):
                return flops_of(way) / len(batch)
    return None


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


def _largest(dataset: Dataset, seed: int, batch: int) -> np.ndarray:
    """The indices of the batch with the most content among the first ones, its largest first."""
    order, sizes = dataset.order(seed, batch), dataset.cache.shapes.prod(1)
    count = min(LOOKED_AT, max(1, order.count // batch))
    rows = order.indices(0, count * batch).reshape(count, batch)
    found = rows[sizes[rows].sum(1).argmax()]
    return found[np.argsort(-sizes[found], kind="stable")]


def _some(stage: Stage, dataset: Dataset, indices: np.ndarray, n: int) -> Batch:
    """So many examples of a batch, from its largest to its smallest, as the objective gets them."""
    assert stage.objective is not None
    seed, device = stage.settings.train.seed, next(stage.objective.parameters()).device
    spread = indices[np.arange(n) * len(indices) // n]
    raw = dataset.training_batch(spread, Stream(seed, "cost")).map(lambda t: t.to(device))
    return encoded(
        stage, raw, Stream(seed, "cost", device=device), prepared=dataset.encoded is not None
    )


def _bytes_of_example(dataset: Dataset, index: int) -> int:
    return dataset.training_batch(np.array([index]), Stream(0, "cost")).x.nbytes


class _Whole(nn.Module):
    """The loss of an objective's first player, as the forward of a module that holds all of it."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective, self.player = objective, objective.players()[0].name

    def forward(self, batch: Batch, rng: Rng) -> Tensor:
        return self.objective.loss(batch, rng, Moment(0, 1, 0), self.player).mean()


def _computed(
    objective: Objective, few: Batch, more: Batch, part: int
) -> tuple[float, float, float]:
    """Of a step's two passes: bytes whatever the batch, bytes and seconds for each example."""
    few_course, more_course = (_passes(objective, batch) for batch in (few, more))
    begun = time.perf_counter()
    _Whole(objective)(more, Stream(0, "cost", device=more.x.device))  # kernels are chosen by now
    seconds = (1 + BACKWARD) * (time.perf_counter() - begun) / len(more)
    return *continued(few_course, more_course, FEW, part), seconds


def _passes(objective: Objective, batch: Batch) -> Course:
    """The memory of a forward and a backward pass."""
    loss, device = _Whole(objective), batch.x.device
    own = list(loss.parameters())
    return course_of(
        lambda: _gradients(own, loss(batch, Stream(0, "cost", device=device))), own, device
    )


def _gradients(own: Iterable[Tensor], loss: Tensor) -> None:
    torch.autograd.grad(loss, [t for t in own if t.requires_grad], allow_unused=True)


def _imagined(objective: Objective, batch: Batch, part: int) -> tuple[float, float, float]:
    """The same from shapes alone: tensors without memory, on a CPU that they only seem to be on."""
    from .flops import flops_of  # its imports take a third of a second

    peaks = list[int]()
    operations = flops_of(lambda: peaks.append(_shapes_alone(objective, batch, part)))
    return 0, peaks[0] / part, operations / part / _speed(batch.x.device)


def _shapes_alone(objective: Objective, batch: Batch, part: int) -> int:
    """Bytes at the peak of a forward and a backward pass."""
    loss = _Whole(objective)
    tensors = {**dict(loss.named_parameters()), **dict(loss.named_buffers())}
    with FakeTensorMode(allow_non_fake_inputs=True):
        weights = {name: _like(t).requires_grad_(t.requires_grad) for name, t in tensors.items()}
        many = batch.map(lambda t: _like(t, part if len(t) == len(batch) else len(t)))
        with Live(weights.values()) as live:
            value = torch.func.functional_call(loss, weights, (many, _Shapes()))
            _gradients(weights.values(), value)
    return live.peak


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
