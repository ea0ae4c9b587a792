"""The training loop. A generator: the caller owns the display, the signals and what is done between steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data.dataset import Dataset, batches
from ..errors import ModelFileError, NonFiniteLossError
from ..settings import TrainOptions
from ..stage import Stage
from .checkpoint import Saver, load_checkpoint, require_finite, restore_state, training_state
from .device import is_on, lay_channels_last, memory_in_use, naming_memory_knobs, prepare_process
from .distributed import World
from .folder import RunFolder
from .preview import preview
from .step import TrainStep

MOST_UNREAD = 100
"""Steps after which losses are read even where logs are rarer: what became NaN must not go on for long."""


class Progress(NamedTuple):
    """Where training stands. Yielded after every step; what was not measured at this step is None."""

    step: int
    steps: int
    loss: float | None
    examples_per_second: float
    eta_s: float
    memory_bytes: int
    lr: float
    saved: Path | None = None
    preview: Path | None = None


def fit(
    stage: Stage,
    dataset: Dataset,
    folder: RunFolder,
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    world: World | None = None,
) -> Iterator[Progress]:
    """Train to the end of the plan in the stage's config, or until ``stop()``; the state is saved either way.

    Args:
        resume: go on from the folder's newest checkpoint (from the start when there is none).

    Raises:
        NonFiniteLossError: the loss became NaN or infinite; what was saved before stands.
        DeviceError: out of memory.
        ModelFileError: the checkpoint does not fit the run.
        RunBusyError: another process is training the run.
    """
    world = world or World()
    train = stage.settings.train
    if stage.unlearnt:  # what is trained on a part of the levels makes no examples by itself
        train = train.model_copy(update={"preview": 0})
    if train.preview:  # a number of steps that the schedule does not have is said now, not when the training is done
        stage.process.schedule.sigmas(stage.settings.sample.steps)
    with folder.held() if world.leads else nullcontext():
        step = make_step(stage, train, world)
        first = _restore(step, folder) if resume else 0
        if resume and world.leads:
            folder.sweep()
            folder.forget_metrics_after(first)
        yield from _loop(step, dataset, folder, first, stop)


def make_step(stage: Stage, train: TrainOptions, world: World | None = None) -> TrainStep:
    """The step, with the network laid out and compiled as the options and the device ask."""
    device = next(stage.denoiser.parameters()).device
    prepare_process(device)
    if is_on(train.channels_last, device):
        lay_channels_last(stage.denoiser)
    stage.denoiser.backbone.checkpointing = train.checkpointing
    if is_on(train.compile, device):
        compile_network(stage)
    stage.denoiser.train()
    return TrainStep(stage, train, stage.optimizer, stage.settings.ema, world)


def compile_network(stage: Stage) -> None:
    """Compile the backbone in place; where that fails, the network runs as it is."""
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True  # an op that does not compile falls back to eager, with a warning
    stage.denoiser.backbone.compile()


def _restore(step: TrainStep, folder: RunFolder) -> int:
    path = folder.latest_checkpoint()
    if path is None:
        return 0
    state, about = load_checkpoint(path)
    if about["config"]["train"]["batch"] != step.train.batch:
        raise ModelFileError(f"{path} was trained with batch {about['config']['train']['batch']}, and config.toml says {step.train.batch}.")
    restore_state(state, step.model, step.optimizer, step.ema, step.scaler)
    return int(about["step"])


def _loop(step: TrainStep, dataset: Dataset, folder: RunFolder, first: int, stop: Callable[[], bool]) -> Iterator[Progress]:
    train, world, device = step.train, step.world, step.device
    losses = LossLog(min(train.log_every, MOST_UNREAD) if device.type != "cpu" else 1)
    pace = Pace(train.batch)
    saver = Saver(folder.path, train.keep)
    about = {"config": dict(step.stage.config), "description": step.stage.description.to_json()}
    source = batches(
        dataset,
        seed=train.seed,
        batch=train.batch,
        start=first,
        stop=train.steps,
        rank=world.rank,
        ranks=world.size,
        pin=device if device.type == "cuda" else None,
    )
    done = first
    with saver, closing(source), naming_memory_knobs(train):
        for done, raw in enumerate(source, first + 1):
            losses.add(done, step(done - 1, raw))
            pace.tick()
            ending = world.agree(stop()) or done == train.steps
            snapshot = step.ema.snapshot_is_due(done, train.steps)
            saving = ending or snapshot or done % train.save_every == 0
            loss = losses.read(world, force=saving or done % train.log_every == 0)
            saved = sheet = None
            state = training_state(step.model, step.optimizer, step.ema, step.scaler) if saving else {}
            require_finite(state, done)
            if world.leads and saving:
                saved = saver.save(done, state, step.ema, about, snapshot=snapshot)
            if world.leads and train.preview and (done == train.steps or (train.preview_every and done % train.preview_every == 0)):
                sheet = preview(step, dataset, folder, done)
            if world.leads and (done % train.log_every == 0 or ending):
                folder.add_metrics({"step": done, "loss": losses.mean(), "lr": _rate(step), "examples_per_second": round(pace.rate, 3)})
            yield Progress(
                done, train.steps, loss, pace.rate, pace.left(train.steps - done), memory_in_use(device), _rate(step), saved, sheet
            )
            if ending:
                break
    world.barrier()


def _rate(step: TrainStep) -> float:
    return step.optimizer.param_groups[0]["lr"]


class LossLog:
    """Losses kept on the device and read a few at a time, since reading one waits for the device."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._pending: list[tuple[int, Tensor]] = []
        self._window: list[float] = []

    def add(self, step: int, loss: Tensor) -> None:
        self._pending.append((step, loss))

    def read(self, world: World, *, force: bool) -> float | None:
        """The newest loss, or None when it is not yet time. Raises NonFiniteLossError at the first step that went wrong."""
        if not force and len(self._pending) < self._every:
            return None
        values = world.mean(torch.stack([loss for _, loss in self._pending])).tolist()
        for (step, _), value in zip(self._pending, values, strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f"The loss became {value} at step {step}, and training stopped there; what was saved before stands. Change the run's "
                    'config.toml to a lower optimizer.lr, a smaller train.clip, or train.precision = "fp32", and resume it: too large a '
                    "step, or a number too large for half precision, is the usual cause."
                )
        self._pending.clear()
        self._window.extend(values)
        return values[-1]

    def mean(self) -> float | None:
        """The mean loss since this was last asked."""
        window, self._window = self._window, []
        return sum(window) / len(window) if window else None


class Pace:
    """Examples per second, over a moving half minute."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._times = [time.monotonic()]

    def tick(self) -> None:
        now = time.monotonic()
        self._times.append(now)
        while len(self._times) > 3 and now - self._times[1] > 30:
            self._times.pop(0)

    @property
    def rate(self) -> float:
        return self._batch * (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)

    def left(self, steps: int) -> float:
        """Seconds that many steps will take."""
        return steps * self._batch / max(self.rate, 1e-9)
