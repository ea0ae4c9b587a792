"""One training step. Nothing in it waits for the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..conditioners.mask import MASK, told
from ..objective import Moment
from ..optimizers.optimizer import OptimizerFactory
from ..rng import Stream, key
from ..settings import EmaOptions, TrainOptions
from ..stage import Stage
from .distributed import World, without_sync
from .ema import Ema
from .players import PlayerTraining, others_frozen, train_players, weights_of
from .replay import may_record, replay_of
from .shard import widen


class TrainStep:
    """For each player whose turn it is: forward, backward, clipping, optimizer. Then the averages.

    Args:
        stage: the stage to train, on its device.
        prepared: whether batches hold what the representation prepared, not raw examples.
    """

    def __init__(
        self,
        stage: Stage,
        train: TrainOptions,
        optimizer: OptimizerFactory,
        ema: EmaOptions,
        world: World | None = None,
        *,
        prepared: bool = False,
    ) -> None:
        self.prepared = prepared
        assert stage.objective is not None, "a stage that was loaded to sample is not trained"
        self.stage, self.train, self.world, self.objective = (
            stage,
            train,
            world or World(),
            stage.objective,
        )
        self.device = next(self.objective.parameters()).device
        self.precision = stage.network.precision if stage.network else self.objective.precision
        recorded = may_record(train, self.device, self.world)
        self.scalars: set[str] = set()
        """Names of weights that are one number in files, and a vector of length one here."""
        if self.world.shards:
            self.scalars = {
                name
                for name, tensor in self.weights().items()
                if isinstance(tensor, nn.Parameter) and not tensor.ndim
            }
            widen(self.objective)
        self.players = train_players(
            self.objective, optimizer, self.precision, self.world, recorded
        )
        averaged = {id(p) for player in self.players if player.averaged for p in player.parameters}
        self.ema = Ema({name: p for name, p in self.weights().items() if id(p) in averaged}, ema)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.precision == torch.float16
        )
        self.share = self.world.share(train.batch, train.accumulate)
        self.rng = Stream(train.seed, "train", device=self.device)
        self.replay = replay_of(self)

    def __call__(self, step: int, raw: Batch) -> dict[str, Tensor]:
        """Take step ``step`` (from 0) on this process's share of the batch.

        Returns:
            The mean loss of each player that took a turn, on the device.
        """
        moment = self._moment(step)
        turns = [player for player in self.players if step % player.every == 0]
        losses = {
            player.name: self._take_turn(player, moment, raw, last=player is turns[-1])
            for player in turns
        }
        with torch.no_grad():
            self.objective.stepped(self._moment(step + 1))
        self.ema.set_betas(moment.seen + self.train.batch, self.train.batch)
        if self.replay:
            self.replay.average(self)
        else:
            self.ema.average()
        return losses

    def weights(self) -> dict[str, Tensor]:
        """Every tensor that is trained, by its name in checkpoints."""
        return weights_of(self.objective)

    def _moment(self, step: int) -> Moment:
        return Moment(step, self.train.steps, step * self.train.batch)

    def _take_turn(self, player: PlayerTraining, moment: Moment, raw: Batch, last: bool) -> Tensor:
        player.set_rate(moment.seen, self.train.steps * self.train.batch)
        parts, size = self.train.accumulate, self.share // self.train.accumulate
        pieces = [raw] if parts == 1 else [raw.part(i * size, size) for i in range(parts)]
        if self.replay:
            return self.replay.turn(self, player, moment, pieces, last)
        return self.turn(player, moment, pieces, last)

    def turn(
        self,
        player: PlayerTraining,
        moment: Moment,
        pieces: Sequence[Batch],
        last: bool,
        shown: Moment | None = None,
    ) -> Tensor:
        """Add up the gradients of the pieces, take a step, and return the mean loss.

        Args:
            last: no other player takes a turn in this step.
            shown: what the loss gets in place of the moment.
        """
        total = torch.zeros((), device=self.device)
        for part, piece in enumerate(pieces):
            self.seed(player, moment.step, part)
            total += self.gradients(player, shown or moment, piece, part == len(pieces) - 1)
        self.exchange(player)
        self.update(player, last)
        return total

    def seed(self, player: PlayerTraining, step: int, part: int) -> None:
        """Set the random numbers of a part of the batch."""
        seed, index = self.train.seed, self.world.rank * self.train.accumulate + part
        self.rng.rekey(seed, f"train{player.stream}", step, index)
        # layers draw from torch's own generator
        torch.manual_seed(key(seed, f"dropout{player.stream}", step, index))

    def gradients(self, player: PlayerTraining, moment: Moment, raw: Batch, last: bool) -> Tensor:
        """Add the gradients of one part of the batch, and return its share of the mean loss."""
        batch = self.prepare(raw, self.rng)
        with others_frozen(player, self.players), without_sync(player.loss, last=last):
            loss = player.loss(batch, self.rng, moment) / self.train.accumulate
            self.scaler.scale(loss).backward()
        return loss.detach()

    def exchange(self, player: PlayerTraining) -> None:
        """Average the gradients over processes where the backward pass does not do it."""
        if player.exchanges:
            self.world.average([p.grad for p in player.parameters if p.grad is not None])

    def update(self, player: PlayerTraining, last: bool) -> None:
        """Clip the gradients and take the optimizer's step; after the last, adapt the loss scale."""
        if self.train.clip:
            self.scaler.unscale_(player.optimizer)
            nn.utils.clip_grad_norm_(player.parameters, self.train.clip, foreach=True)
        self.scaler.step(player.optimizer)
        player.optimizer.zero_grad(set_to_none=True)
        if last:
            self.scaler.update()

    def prepare(self, raw: Batch, rng: Stream) -> Batch:
        """A batch of the data set as the objective gets it: on the device, in model units."""
        raw = raw.map(lambda t: t.to(self.device, non_blocking=True))
        return encoded(self.stage, raw, rng, prepared=self.prepared)


def encoded(stage: Stage, raw: Batch, rng: Stream, *, prepared: bool) -> Batch:
    """What the objective is given for a raw batch on the device, in model units; with random parts
    given, where the model is trained to fill.

    Args:
        prepared: whether the batch holds what the representation prepared, not raw examples.
    """
    representation, bridge = stage.representation, stage.bridge
    if not prepared:
        raw = stage.modality.augment(raw, rng)
    if prepared or bridge is None:
        whole = representation.draw(raw if prepared else representation.prepare(raw), rng)
        conditions = stage.description.conditions
        if MASK in conditions:
            given = representation.given(whole, rng)
            given = given if whole.observed is None else given | whole.observed
            whole = replace(whole, observed=given)
        return told(conditions, whole)
    low = bridge.corrupt(bridge.degrade(raw), rng)
    return bridge.crop(bridge.encode(low, raw, bridge.draw_aug_levels(len(raw), rng), rng), rng)
