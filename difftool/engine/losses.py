"""Losses and the speed of training, measured without waiting for the device."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import NonFiniteLossError
from .distributed import World


class LossLog:
    """Losses kept on the device and read a few at a time, since reading one waits for the device.

    Args:
        every: steps after which they are read in any case.
        world: the processes over which they are averaged.
    """

    def __init__(self, every: int, world: World) -> None:
        self._every, self._world = every, world
        self._unread = 0
        self._pending: list[tuple[int, str, Tensor]] = []
        self._newest: dict[str, float] = {}
        self._window: dict[str, list[float]] = defaultdict(list)

    def add(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Add the losses of the players that took a turn in this step."""
        self._unread += 1
        self._pending += [(step, player, loss) for player, loss in losses.items()]

    def read(self, player: str, *, force: bool) -> float | None:
        """The player's newest loss, or None when it is not yet time.

        Raises NonFiniteLossError at the first step that went wrong.
        """
        if not self._pending or (not force and self._unread < self._every):
            return None
        values = self._world.mean(torch.stack([loss for _, _, loss in self._pending])).tolist()
        for (step, name, _), value in zip(self._pending, values, strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f"The loss became {value} at step {step}, and training stopped there; what was saved before stands. Change the run's "
                    'config.toml to a lower optimizer.lr, a smaller train.clip, or train.precision = "fp32", and resume it: too large a '
                    "step, or a number too large for half precision, is the usual cause."
                )
            self._newest[name] = value
            self._window[name].append(value)
        self._pending.clear()
        self._unread = 0
        return self._newest.get(player)

    def means(self, *, clear: bool) -> dict[str, float]:
        """Each player's mean loss since the window was last cleared.

        Args:
            clear: begin a new window. The row of a step at which a run was only stopped leaves the
                window as it is: the resumed run goes on with it, and its rows are those of a run
                that was never stopped.
        """
        means = {name: sum(values) / len(values) for name, values in self._window.items() if values}
        if clear:
            self._window.clear()
        return means

    @property
    def window(self) -> dict[str, list[float]]:
        """The losses since the last row of metrics, as a checkpoint keeps them."""
        return {name: list(values) for name, values in self._window.items() if values}

    def restore(self, window: Mapping[str, Sequence[float]]) -> None:
        """Continue with the window of a checkpoint."""
        self._window = defaultdict(
            list, {name: [float(value) for value in values] for name, values in window.items()}
        )


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
        """Seconds that this many steps take."""
        return steps * self._batch / max(self.rate, 1e-9)
