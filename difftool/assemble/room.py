"""Whether a network has room in the memory, found without building it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..engine.device import memory_knobs, memory_total
from ..errors import DeviceError
from ..figures import size
from ..settings import TrainOptions

BYTES = 4
"""Bytes of a number of the network: it is built in single precision."""


LEAST = 8
"""Copies of a batch that any training step holds: the examples, the noise, their sum, what the
network takes and gives, the target, the error, and its gradient.
"""


def require_batch(shape: Sequence[int], train: TrainOptions, device: torch.device) -> None:
    """Refuse examples of which the memory cannot hold the copies that any network needs.

    Args:
        shape: of an example as the network takes it.

    Raises:
        DeviceError: it cannot.
    """
    part, there = train.batch // train.accumulate, memory_total(device)
    needed = LEAST * BYTES * math.prod(shape) * part
    if needed <= there:
        return
    one = "smaller examples, by the settings in [modality]"
    knobs = [one] if needed > part * there else [one, *memory_knobs(train)]
    raise DeviceError(
        f"{part} examples of {' x '.join(map(str, shape))} at once take at least {size(needed)} of "
        f"memory in training, whatever the network, and the device {device} has {size(there)}. "
        f"Try one of: {'; '.join(knobs)}."
    )


def require_room(build: Callable[[], nn.Module], device: torch.device, copies: int) -> None:
    """Refuse a network that the memory cannot hold, before memory is taken or time is spent.

    It is built on the ``meta`` device, where tensors have shapes and no memory. A network whose own
    code needs numbers while it is built is not estimated.

    Args:
        copies: how many numbers each number of the network takes: in training also those of its
            gradient, its optimizer and its averages.

    Raises:
        DeviceError: it does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"), _Undrawn():
                network = build()
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            return
    numbers = sum(p.numel() for p in network.parameters())
    needed, there = numbers * BYTES * copies, memory_total(device)
    if needed > there:
        what = "Training" if copies > 1 else "Using"
        raise DeviceError(
            f"The network would have {numbers:,} parameters. {what} it takes at least "
            f"{needed / 1e9:,.0f} GB of memory, and the device {device} has {there / 1e9:,.1f} "
            "GB. Choose a smaller network: lower the numbers in [backbone]."
        )


class _Undrawn(TorchFunctionMode):
    """Weights are not drawn: on ``meta`` there is nothing to fill, and torch takes long for it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return args[0] if func in DRAWS else func(*args, **(kwargs or {}))


DRAWS = (Tensor.normal_, Tensor.uniform_)
