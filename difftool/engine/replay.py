"""The training step as CUDA graphs: recorded once for each shape of batch, and replayed.

A network of many small kernels is bound by the time that Python takes to launch them. A replay
launches a whole forward and backward pass, clipping and the optimizer at once. What changes from
step to step is on the device: the batch in fixed buffers, the learning rate, the averages' betas,
and random numbers, whose seeds are set before each replay. So a replayed step draws what a plain
one draws, and a run can be resumed with graphs or without.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ..batch import Batch
from ..objective import Moment
from ..rng import Stream
from ..settings import TrainOptions
from .distributed import World
from .ema import Ema
from .graph import Graph, new_pool
from .players import PlayerTraining

MOST = 16
"""Shapes of batches whose graphs are kept; of more, the least recently used goes."""
TOLERANCE = 0.05
"""Largest relative difference between the gradients of a replay and of the plain step, in float32
or less, whose sums may come in another order."""


class Step(Protocol):
    """A training step in the pieces that are recorded, which ``TrainStep`` is."""

    train: TrainOptions
    world: World
    device: torch.device
    players: list[PlayerTraining]
    scaler: torch.amp.GradScaler
    ema: Ema
    rng: Stream

    def turn(
        self,
        player: PlayerTraining,
        moment: Moment,
        pieces: Sequence[Batch],
        last: bool,
        shown: Moment | None = None,
    ) -> Tensor: ...

    def seed(self, player: PlayerTraining, step: int, part: int) -> None: ...

    def gradients(
        self, player: PlayerTraining, moment: Moment, raw: Batch, last: bool
    ) -> Tensor: ...

    def update(self, player: PlayerTraining, last: bool) -> None: ...


@dataclass(slots=True)
class Recording:
    """The graphs of one player's turn for one shape of batch.

    Attributes:
        inputs: what the graphs read; each piece of the batch is copied here.
        first: the gradients of the first piece; more: of a further piece, added to them.
        loss: the mean loss, which the graphs write.
        gradients: kept, because the graphs write them.
    """

    inputs: Batch
    first: Graph
    more: Graph
    update: Graph
    loss: Tensor
    gradients: list[Tensor]


class Noted:
    """A moment that notes whether it was read: a graph would hold the number for ever."""

    def __init__(self, moment: Moment) -> None:
        self._moment, self.read = moment, False

    def __getattr__(self, name: str) -> Any:
        self.read = True
        return getattr(self._moment, name)

    def __iter__(self) -> Iterator[int]:
        self.read = True
        return iter(self._moment)


def replay_of(step: Step) -> Replay | None:
    """The replay of a step; None where graphs are off or impossible, and a warning says why."""
    chosen = step.train.capture
    reason = None if chosen == "off" else obstacle(step)
    if reason and (chosen == "on" or step.device.type == "cuda"):
        warn(reason)
    return None if chosen == "off" or reason else Replay(step.rng)


def may_record(train: TrainOptions, device: torch.device, world: World) -> bool:
    """Whether steps may be recorded, as far as is known before there are optimizers."""
    return train.capture != "off" and device.type == "cuda" and not world.shards


def obstacle(step: Step) -> str | None:
    """What is known before the first step to make a recording impossible or wrong."""
    if step.device.type != "cuda":
        return f"the device is {step.device.type}, which has no CUDA graphs"
    if step.world.shards:
        return "the weights are sharded over several devices"
    for player in step.players:
        if not player.recordable:
            name = type(player.optimizer).__name__
            return f"the optimizer {name} is not capturable: it may count steps outside the device"
    if step.scaler.is_enabled():
        if len(step.players) > 1:
            return "several players share the loss scale of fp16"
        if not getattr(step.players[0].optimizer, "_step_supports_amp_scaling", False):
            return "with fp16, this optimizer waits for the device"
    return None


def warn(reason: str) -> None:
    warnings.warn(
        f"The training step is not recorded as a CUDA graph, so it may be slower: {reason}.",
        stacklevel=3,
    )


class Replay:
    """Takes turns like ``TrainStep.turn``, by replaying graphs where it has them.

    The first turn of each shape runs as it is: libraries choose their algorithms, and tables move
    to the device. The second turn of all is watched for waiting, which a recording cannot hold. A
    recording is used only if its gradients are those of the plain step.

    Args:
        rng: the stream that the step draws from.
    """

    def __init__(self, rng: Stream) -> None:
        self._rng, self._pool = rng, new_pool()
        self._turns: OrderedDict[tuple, Recording | None] = OrderedDict()  # None: seen once
        self._average: Graph | None = None
        self._taken = 0
        self.stopped = False

    def turn(
        self,
        step: Step,
        player: PlayerTraining,
        moment: Moment,
        pieces: Sequence[Batch],
        last: bool,
    ) -> Tensor:
        """The same as ``step.turn``."""
        key = (player.name, last, *_shapes(pieces[0]))
        if self.stopped:
            return step.turn(player, moment, pieces, last)
        if key not in self._turns or self._taken < 2 * len(step.players):
            self._turns[key] = None
            self._taken += 1
            return self._watched_turn(step, player, moment, pieces, last)
        recording = self._turns[key] or self._record(step, player, moment, pieces[0], last)
        if recording is None:
            return step.turn(player, moment, pieces, last)
        self._keep(key, recording)
        for part, piece in enumerate(pieces):
            step.seed(player, moment.step, part)
            _copy(piece, recording.inputs)
            (recording.more if part else recording.first).replay()
        if player.exchanges:  # all processes do, whether they replay or not
            step.world.average(recording.gradients)
        recording.update.replay()
        return recording.loss.clone()

    def average(self, step: Step) -> None:
        """The same as ``step.ema.average``."""
        if self.stopped or self._taken < 2:
            step.ema.average()
            return
        if self._average is None:
            graph = Graph(self._pool)
            try:
                graph.record(step.ema.average)
            except RuntimeError as error:
                self._stop(str(error).splitlines()[0])
                step.ema.average()
                return
            self._average = graph
        self._average.replay()

    def _watched_turn(
        self,
        step: Step,
        player: PlayerTraining,
        moment: Moment,
        pieces: Sequence[Batch],
        last: bool,
    ) -> Tensor:
        noted = Noted(moment)
        watched = len(step.players) < self._taken <= 2 * len(step.players)
        loss, waits = (noting_waits if watched else _not_watched)(
            lambda: step.turn(player, moment, pieces, last, shown=noted)  # type: ignore[arg-type]
        )
        if noted.read:
            self._stop("the objective's loss reads the number of the step")
        elif waits:
            self._stop(f"the step waits for the device ({waits})")
        return loss

    def _record(
        self, step: Step, player: PlayerTraining, moment: Moment, piece: Batch, last: bool
    ) -> Recording | None:
        inputs = piece.map(lambda t: t.to(step.device, copy=True))
        first, more, update = (Graph(self._pool, [self._rng.generator]) for _ in range(3))
        only = step.train.accumulate == 1
        try:
            expected = self._plain_gradients(step, player, moment, piece, only)
            loss = first.record(lambda: step.gradients(player, moment, inputs, only))
            gradients = _gradients(player)
            if not only:
                more.record(lambda: loss.add_(step.gradients(player, moment, inputs, True)))
            update.record(lambda: step.update(player, last))
            step.seed(player, moment.step, 0)
            first.replay()
            difference = _relative_difference(gradients, expected)
            player.optimizer.zero_grad(set_to_none=True)
        except RuntimeError as error:
            self._forget(step, player)
            self._stop(str(error).splitlines()[0])
            return None
        if not difference < TOLERANCE:
            self._stop(f"its gradients differ by {difference:.1%} from those of the plain step")
            return None
        return Recording(inputs, first, more, update, loss, gradients)

    def _plain_gradients(
        self, step: Step, player: PlayerTraining, moment: Moment, piece: Batch, only: bool
    ) -> list[Tensor]:
        """The gradients of a piece as the step computes them without a graph."""
        step.seed(player, moment.step, 0)
        step.gradients(player, moment, piece, only)
        gradients = _gradients(player)
        player.optimizer.zero_grad(set_to_none=True)
        return gradients

    def _forget(self, step: Step, player: PlayerTraining) -> None:
        """Undo what an unfinished recording left behind on the host."""
        player.optimizer.zero_grad(set_to_none=True)
        step.scaler._per_optimizer_states.clear()

    def _stop(self, reason: str) -> None:
        self.stopped = True
        self._turns.clear()
        self._average = None
        warn(reason)

    def _keep(self, key: tuple, recording: Recording) -> None:
        self._turns[key] = recording
        self._turns.move_to_end(key)
        if len(self._turns) > MOST:
            self._turns.popitem(last=False)


def _gradients(player: PlayerTraining) -> list[Tensor]:
    return [p.grad for p in player.parameters if p.grad is not None]


def _relative_difference(values: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """|values - expected| / |expected|, over all tensors together. It waits for the device."""
    if len(values) != len(expected):
        return float("inf")
    norms = [
        torch.stack(torch._foreach_norm(list(tensors))).norm()
        for tensors in (torch._foreach_sub(list(values), list(expected)), expected)
    ]
    return (norms[0] / norms[1].clamp_min(1e-12)).item()


def _shapes(batch: Batch) -> Iterator[Any]:
    """What a graph is recorded for: the names, shapes and types of a batch's tensors."""
    yield batch.noise_free
    for name, tensor in _tensors(batch):
        yield name, tensor.shape, tensor.dtype


def _tensors(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    named = {"x": batch.x, "mask": batch.mask, "observed": batch.observed}
    conditions = {f"cond.{name}": tensor for name, tensor in batch.cond.items()}
    for name, tensor in (named | conditions).items():
        if tensor is not None:
            yield name, tensor


def _copy(source: Batch, target: Batch) -> None:
    for (_, a), (_, b) in zip(_tensors(source), _tensors(target), strict=True):
        b.copy_(a, non_blocking=True)


def _not_watched(work: Callable[[], Tensor]) -> tuple[Tensor, str]:
    return work(), ""


def noting_waits(work: Callable[[], Tensor]) -> tuple[Tensor, str]:
    """The result of the work, and where it first waits for the device."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = work()
    finally:
        torch.cuda.set_sync_debug_mode(before)
    waits = [one for one in caught if "synchroniz" in str(one.message)]
    for one in caught:
        if one not in waits:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return result, f"{waits[0].filename}:{waits[0].lineno}" if waits else ""
