"""The training loop, as a generator: the caller owns the display and the signals."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import torch

from ..batch import Batch
from ..data.dataset import Dataset, batches
from ..errors import ModelFileError
from ..nn.backbone import Backbone
from ..nn.frozen import require_frozen
from ..observer import Observer, Progress, RunInfo
from ..settings import TrainOptions
from ..stage import Stage
from .cadence import Cadence
from .checkpoint import load_checkpoint, restore_state
from .compile import compile_networks
from .device import is_on, lay_channels_last, memory_in_use, naming_memory_knobs, prepare_process
from .distributed import World
from .folder import RunFolder
from .losses import LossLog, Pace
from .measuring import MeasureLevels, Score
from .observers import Examine, MakePreviews, Notifier, SaveCheckpoints, WriteMetrics
from .shard import fits_whole, shards
from .step import TrainStep

MOST_UNREAD = 100
"""Most steps between two readings of the loss, even where logs are rarer: training must not continue for long after a NaN."""


def fit(
    stage: Stage,
    dataset: Dataset,
    folder: RunFolder,
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    world: World | None = None,
    observers: Sequence[Observer] = (),
    report: Callable[[str], None] | None = None,
    complain: Callable[[str], None] | None = None,
    score: Score | None = None,
) -> Iterator[Progress]:
    """Train to the last step of the stage's config, or until ``stop()``. Both save the state.

    Args:
        resume: continue from the folder's newest checkpoint, or from the start if there is none.
        observers: called after the engine's own, which save, make previews and write metrics.
        report: called with the failure of an observer, which does not end the run; by default it
            warns. A failure to save does end the run.
        score: a number of samples, by which the best model is kept; the lower the better.
        complain: called with what is plainly wrong with the model, which the run's log says too.

    Raises:
        NonFiniteLossError: the loss became NaN or infinite. Earlier checkpoints are untouched.
        DeviceError: out of memory.
        ModelFileError: the checkpoint does not fit the run.
        RunBusyError: another process is training the run.
    """
    assert stage.objective is not None, "a stage that was loaded to sample is not trained"
    world, report = world or World(), report or warnings.warn
    if shards(stage.objective, stage.settings.train, stage.settings.ema, world.size):
        world = replace(world, shards=True)
        if world.leads:
            folder.log(f"everything that is trained is sharded over {world.size} devices")
    train = _with_possible_previews(stage, world, report)
    with folder.held() if world.leads else nullcontext():
        step = make_step(stage, train, world, prepared=dataset.encoded is not None)
        cadence = Cadence(train, stage.settings.ema)
        # reading a loss waits for the device, so it is rare; on a CPU it costs nothing
        losses = LossLog(
            min(train.log_every, MOST_UNREAD) if step.device.type != "cpu" else 1, world
        )
        first = 0
        if resume:
            first, about = _restore(step, folder)
            losses.restore(about.get("losses", {}))
            if world.leads:
                folder.sweep()
                folder.resume_metrics(
                    first,
                    about.get("metrics"),
                    scheduled=cadence.logs(first) or first == train.steps,
                )
        members: list[Observer] = [SaveCheckpoints(step, cadence, folder, losses, report)]
        if world.leads and stage.network is None and not world.shards:
            members.append(Examine(step, cadence, dataset, folder, complain))
        if world.leads or world.shards:
            members.append(MakePreviews(step, cadence, dataset, folder))
        if world.leads:
            members += [WriteMetrics(folder), MeasureLevels(step, dataset, folder, score)]
            members += observers
        notify = Notifier(members, report)
        run = RunInfo(folder.path, stage.config, stage.description, first, train.steps)
        source = _batches(dataset, step, first)
        with notify.during(run), closing(source), naming_memory_knobs(train):
            yield from _loop(step, source, losses, cadence, notify, first, stop)
        world.barrier()


def _with_possible_previews(
    stage: Stage, world: World, report: Callable[[str], None]
) -> TrainOptions:
    """The stage's options of training, without previews where none can be made.

    Raises:
        UsageError: the schedule has no such number of steps. Said now, not at the first preview.
    """
    train = stage.settings.train
    assert stage.objective is not None
    without = train.model_copy(update={"preview": 0})
    if not train.preview or stage.untrained_levels:  # trained on some levels, it cannot sample
        return without
    if stage.network:
        stage.process.schedule.sigmas(stage.settings.sample.steps)
    if world.shards and not fits_whole(stage.objective):
        if world.leads:
            report(
                "No preview is made. Sample the saved model instead: a device has no room for "
                "all weights beside its part of the training's state."
            )
        return without
    return train


def _batches(dataset: Dataset, step: TrainStep, first: int) -> Generator[Batch, None, None]:
    """This process's share of the batch of every remaining step."""
    train, world, pin = step.train, step.world, step.device if step.device.type == "cuda" else None
    return batches(
        dataset,
        seed=train.seed,
        batch=train.batch,
        start=first,
        stop=train.steps,
        rank=world.rank,
        ranks=world.size,
        pin=pin,
    )


def _loop(
    step: TrainStep,
    source: Iterator[Batch],
    losses: LossLog,
    cadence: Cadence,
    notify: Notifier,
    first: int,
    stop: Callable[[], bool],
) -> Iterator[Progress]:
    train, world, player = step.train, step.world, step.players[0]
    pace = Pace(train.batch)
    for done, raw in enumerate(source, first + 1):
        losses.add(done, step(done - 1, raw))
        pace.tick()
        ending = (
            world.agree(stop()) or done == train.steps
        )  # all leave at one step, or some would wait for ever
        measuring = ending or cadence.logs(done)
        loss = losses.read(player.name, force=measuring or cadence.saves(done))  # never save a NaN
        means = losses.means(clear=cadence.logs(done)) if measuring else {}
        eta, memory = pace.left(train.steps - done), memory_in_use(step.device)
        event = Progress(done, train.steps, loss, pace.rate, eta, memory, player.rate)
        event = event._replace(
            mean_loss=means.get(player.name, loss) if measuring else None, losses=means
        )
        yield notify.step(
            event._replace(seen=done * train.batch, ending=ending)
        )  # saved before the caller gets control
        if ending:
            return


def make_step(
    stage: Stage, train: TrainOptions, world: World | None = None, *, prepared: bool = False
) -> TrainStep:
    """The step, with the network laid out and compiled as the options and the device ask."""
    assert stage.objective is not None, "a stage that was loaded to sample is not trained"
    device = device_of(stage)
    prepare_process(device)
    if is_on(train.channels_last, device):
        lay_channels_last(stage.objective)
    for module in stage.objective.modules():
        if isinstance(module, Backbone):
            module.checkpointing = train.checkpointing
    if is_on(train.compile, device):
        compile_networks(stage.objective)
    stage.objective.train()
    ema = stage.settings.ema
    return TrainStep(stage, train, stage.optimizer, ema, world, prepared=prepared)


def device_of(stage: Stage) -> torch.device:
    """The device of the parameters."""
    assert stage.objective is not None
    return next(stage.objective.parameters()).device


def _restore(step: TrainStep, folder: RunFolder) -> tuple[int, dict[str, Any]]:
    """The step from which a run goes on, its state put back, and what the checkpoint says; 0 where there is none."""
    path = folder.latest_checkpoint()
    if path is None:
        return 0, {}
    state, about = load_checkpoint(path)
    trained = about["config"].get("train", {}).get("batch")
    if trained != step.train.batch:
        raise ModelFileError(
            f"{path} was trained with batch {trained}, but config.toml says {step.train.batch}. Restore train.batch in config.toml."
        )
    restore_state(state, step)
    require_frozen(step.objective)
    return int(about["step"]), about
