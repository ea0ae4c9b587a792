"""One training step. Nothing in it waits for the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..optimizers.optimizer import OptimizerFactory
from ..rng import Stream, key
from ..settings import EmaOptions, TrainOptions
from ..stage import Stage
from .distributed import World, without_sync
from .ema import Ema


class Loss(nn.Module):
    """The objective as a module's forward, which is where data-parallel wrappers hook in."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.denoiser = stage.denoiser
        self._stage = stage

    def forward(self, batch: Batch, rng: Stream) -> Tensor:
        stage = self._stage
        return stage.objective.loss(stage.denoiser, stage.process, stage.representation.space, batch, rng).mean()


class TrainStep:
    """Forward, backward, clipping, optimizer, averages.

    Args:
        stage: what is trained, its denoiser on the device already.
    """

    def __init__(self, stage: Stage, train: TrainOptions, optimizer: OptimizerFactory, ema: EmaOptions, world: World | None = None) -> None:
        self.stage, self.train, self.rates, self.world = stage, train, optimizer, world or World()
        self.model = stage.denoiser
        self.device = next(self.model.parameters()).device
        self.optimizer = optimizer(self.model, stage.denoiser.precision)
        self.ema = Ema(self.model, ema)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=stage.denoiser.precision == torch.float16)
        self.share = self.world.share(train.batch, train.accumulate)
        self.loss = self.world.wrap(Loss(stage), self.device)

    def __call__(self, step: int, raw: Batch) -> Tensor:
        """Take step number ``step`` (from 0) on this process's share of the batch; returns the mean loss, still on the device."""
        seen = step * self.train.batch
        rate = self.rates.rate(seen, self.train.steps * self.train.batch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = self._gradients(step, raw)
        if self.train.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.train.clip, foreach=True)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(seen + self.train.batch, self.train.batch)
        return total

    def _gradients(self, step: int, raw: Batch) -> Tensor:
        """Sum the gradients of the batch's parts; the mean loss of all of them."""
        parts, size = self.train.accumulate, self.share // self.train.accumulate
        total = torch.zeros((), device=self.device)
        for part in range(parts):
            piece = raw if parts == 1 else raw.part(part * size, size)
            index = self.world.rank * parts + part
            rng = Stream(self.train.seed, "train", step, index, self.device)
            torch.manual_seed(key(self.train.seed, "dropout", step, index))  # layers draw from torch's own generator
            batch = self._prepare(piece, rng)
            with without_sync(self.loss, last=part == parts - 1):
                loss = self.loss(batch, rng) / parts
                self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def _prepare(self, raw: Batch, rng: Stream) -> Batch:
        raw = raw.map(lambda t: t.to(self.device, non_blocking=True))
        raw, bridge = self.stage.modality.augment(raw, rng), self.stage.bridge
        if bridge is None:
            return self.stage.representation.encode(raw)
        low = bridge.corrupt(bridge.degrade(raw), rng)
        return bridge.crop(bridge.encode(low, raw, bridge.draw_aug_levels(len(raw), rng), rng), rng)
