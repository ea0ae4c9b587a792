"""Fully sharded training (FSDP2): each device holds a part of every weight, gradient, optimizer
state and average, and gathers the weights of one block at a time.

Checkpoints and model files hold whole tensors, so that a run goes on with any number of devices.
What shards is imported where it is used: it takes half a second, and few runs need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..objective import Objective
from ..settings import EmaOptions, TrainOptions
from .compile import regions_of
from .device import memory_total

ROOM = 0.5
"""Share of a device's memory that the state of training may fill before ``auto`` shards it: the
activations need the rest."""


def shards(objective: Objective, train: TrainOptions, ema: EmaOptions, processes: int) -> bool:
    """Whether training is sharded.

    Raises UsageError if the options ask for what is impossible.
    """
    if train.shard == "off" or processes == 1:
        return False
    reason = obstacle(objective, train)
    if reason and train.shard == "on":
        raise UsageError(f"train.shard cannot be on: {reason} Set train.shard to off.")
    device = next(objective.parameters()).device
    whole = state_bytes(objective, ema)
    full = device.type == "cuda" and whole > ROOM * memory_total(device)
    return not reason and (train.shard == "on" or full)


def obstacle(objective: Objective, train: TrainOptions) -> str:
    """Why an objective cannot be sharded; "" if it can."""
    players = objective.players()
    own = {id(p) for p in players[0].module.parameters()}
    if len(players) > 1:
        return "the objective trains several players, which call each other's networks."
    if any(id(p) not in own for p in objective.parameters()):
        return "the objective holds networks besides the one that it trains."
    if train.precision == "fp16":
        return "the loss scale of fp16 is not exchanged between devices; bf16 needs none."
    return ""


def state_bytes(objective: Objective, ema: EmaOptions) -> int:
    """Bytes of weights, gradients, two moments of the optimizer, and averages on one device."""
    trained = sum(p.nbytes for p in objective.parameters() if p.requires_grad)
    return trained * (4 + len(ema.halflife) + len(ema.power))


def sharded(
    loss: nn.Module, objective: Objective, device: torch.device, processes: int
) -> nn.Module:
    """The module with its parameters in shards: those of each region of a backbone are gathered
    when it computes, the others when the loss is computed.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (processes,))
    inside = set(loss.modules())
    for region in regions_of(objective):
        if region in inside and any(True for _ in region.parameters()):
            fully_shard(region, mesh=mesh)
    fully_shard(loss, mesh=mesh)
    return loss


def widen(module: nn.Module) -> None:
    """Make vectors of length one of the parameters that are one number, which FSDP2 does not split.

    What is computed with them is the same, by broadcasting.
    """
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            if not parameter.ndim:
                one = nn.Parameter(parameter.data.reshape(1), parameter.requires_grad)
                part.register_parameter(name, one)


def fits_whole(objective: Objective) -> bool:
    """Whether a device has room for all weights beside its part of the training's state. The same
    in every process, if their devices are alike.
    """
    weights = sum(p.nbytes for p in objective.parameters())
    return weights < (1 - ROOM) / 2 * memory_total(next(objective.parameters()).device)


@contextmanager
def gathered(loss: nn.Module) -> Iterator[None]:
    """Inside the block every process holds whole weights, and computes without the others. All
    processes must enter it, after the first step.
    """
    from torch.distributed.fsdp import FSDPModule

    parts = [module for module in loss.modules() if isinstance(module, FSDPModule)]
    try:
        for part in parts:
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(part is not loss, recurse=False)


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor, which this process may never have imported."""
    return hasattr(tensor, "device_mesh")


def local(tensor: Tensor) -> Tensor:
    """This device's part, in the same memory; a tensor that is not sharded as it is."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def like(part: Tensor, tensor: Tensor) -> Tensor:
    """This device's part of a tensor that is sharded as another one is."""
    if not is_sharded(tensor):
        return part
    from torch.distributed.tensor import DTensor

    assert isinstance(tensor, DTensor)
    return DTensor.from_local(
        part,
        tensor.device_mesh,
        tensor.placements,
        run_check=False,
        shape=tensor.shape,
        stride=tensor.stride(),
    )


def whole(state: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Every tensor in full, on the CPU if it was sharded. All processes must call it.

    Args:
        keep: whether this process needs them; the others help to gather.
    """
    return {name: tensor for name, tensor in _gathered(state) if keep}


def _gathered(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in state.items():
        yield name, tensor.full_tensor().cpu() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


@torch.no_grad()
def fill(target: Tensor, values: Tensor) -> None:
    """Copy a whole tensor, which every process has, into a tensor that may be sharded."""
    if not is_sharded(target):
        target.copy_(values)
        return
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(target, DTensor)
    values = values.to(target.device, target.dtype)
    mine = distribute_tensor(values, target.device_mesh, target.placements, src_data_rank=None)
    target.to_local().copy_(mine.to_local())
