"""The players of an objective in training: loss, optimizer and learning rate of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..errors import PluginError
from ..objective import Moment, Objective, Player
from ..optimizers.optimizer import OptimizerFactory
from ..rng import Rng
from .distributed import World
from .shard import sharded

OWN = "objective."
"""Prefix of the objective's own tensors, which are in checkpoints and not in a model file."""


class Loss(nn.Module):
    """A player's mean loss as the forward of a module.

    Data-parallel wrappers need a module, and must see only the parameters of this player.
    """

    def __init__(self, objective: Objective, player: Player) -> None:
        super().__init__()
        self.module = player.module
        self._loss, self._name = (
            objective.loss,
            player.name,
        )  # a bound method: the objective must not become a submodule

    def forward(self, batch: Batch, rng: Rng, moment: Moment) -> Tensor:
        return self._loss(batch, rng, moment, self._name).mean()


class PlayerTraining:
    """A player in training.

    Args:
        recorded: gradients are exchanged after the backward pass, which may be a CUDA graph,
            not within it.

    Attributes:
        stream: suffix of its random streams; empty for the first player.
        parameters: its trainable parameters.
    """

    def __init__(
        self,
        objective: Objective,
        player: Player,
        first: bool,
        optimizer: OptimizerFactory,
        precision: torch.dtype,
        world: World,
        recorded: bool = False,
    ) -> None:
        self.name, self.every, self.averaged = player.name, player.every, player.averaged
        self.stream = "" if first else f"/{player.name}"
        options = optimizer.options
        self._factory = replace(
            optimizer,
            options=type(options).model_validate(
                {**options.model_dump(), **(player.optimizer or {})}
            ),
        )
        self.device = next(p for p in player.module.parameters() if p.requires_grad).device
        loss = Loss(objective, player)
        self.loss: nn.Module = loss
        if world.shards:
            self.loss = sharded(loss, objective, self.device, world.size)
        elif recorded:
            world.same_start(loss)
        else:
            self.loss = world.wrap(loss, self.device)
        self.exchanges = recorded and world.size > 1
        # sharding puts other tensors into the module
        self.parameters = [p for p in player.module.parameters() if p.requires_grad]
        self.optimizer = self._factory(player.module, precision)
        self.rate = options.lr
        """The learning rate of the latest step."""
        if self.recordable:
            keep_rate_on_device(self.optimizer, self.device)

    @property
    def recordable(self) -> bool:
        """Whether a CUDA graph of the optimizer's step is right in later steps too."""
        return self.device.type == "cuda" and "capturable" in self.optimizer.defaults

    def set_rate(self, seen: int, total: int) -> None:
        """Set the learning rate after ``seen`` of ``total`` examples."""
        self.rate = self._factory.rate(seen, total)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.rate)
            else:
                group["lr"] = self.rate


def keep_rate_on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Let a recorded step read the learning rate, and count steps, on the device."""
    rate = torch.tensor(0.0, device=device)
    for group in optimizer.param_groups:
        group["lr"], group["capturable"] = rate, True


def train_players(
    objective: Objective,
    optimizer: OptimizerFactory,
    precision: torch.dtype,
    world: World,
    recorded: bool = False,
) -> list[PlayerTraining]:
    """The objective's players, each with its optimizer. Raises PluginError where they are invalid.

    Arguments as of ``PlayerTraining``.
    """
    players = objective.players()
    _require_disjoint(objective, players)
    return [
        PlayerTraining(
            objective, player, player is players[0], optimizer, precision, world, recorded
        )
        for player in players
    ]


def _require_disjoint(objective: Objective, players: Sequence[Player]) -> None:
    """Each trainable parameter must belong to one player: else it keeps its random start."""
    said = f"The objective {type(objective).__name__}"
    names = [player.name for player in players]
    if not players or len(set(names)) < len(names):
        raise PluginError(
            f"{said} names the players {names}. Name at least one player, and give each its own name."
        )
    owners: dict[int, str] = {}
    for player in players:
        learnt = [p for p in player.module.parameters() if p.requires_grad]
        if not learnt:
            raise PluginError(
                f"{said} has the player {player.name!r} without trainable parameters. Remove that player."
            )
        if shared := {owners[id(p)] for p in learnt if id(p) in owners}:
            raise PluginError(
                f"{said} gives the players {player.name!r} and {shared.pop()!r} the same parameters. Give each its own."
            )
        owners |= {id(p): player.name for p in learnt}
    if left := [
        name for name, p in objective.named_parameters() if p.requires_grad and id(p) not in owners
    ]:
        raise PluginError(
            f"{said} has the parameter {left[0]}, which no player optimises. Add it to a player, or freeze it."
        )


@contextmanager
def others_frozen(player: PlayerTraining, players: Sequence[PlayerTraining]) -> Iterator[None]:
    """Freeze the other players' weights inside the block: they get no gradients."""
    others = [p for other in players if other is not player for p in other.parameters]
    for p in others:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in others:
            p.requires_grad_(True)


def weights_of(objective: Objective) -> dict[str, Tensor]:
    """Every tensor of an objective, by name; those outside the model file start with ``objective.``."""
    model = objective.model
    path = next(
        (
            f"{path}." if path else ""
            for path, module in objective.named_modules()
            if module is model
        ),
        None,
    )
    if path is None:
        raise PluginError(
            f"The model of the objective {type(objective).__name__} is not a submodule of it. Assign it to an attribute: else it is not saved."
        )
    state = objective.state_dict(keep_vars=True)
    return {
        name.removeprefix(path) if name.startswith(path) else f"{OWN}{name}": tensor
        for name, tensor in state.items()
    }
