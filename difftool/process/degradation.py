"""Cold diffusion: an example is degraded without noise, and a network restores it.

Bansal et al. 2022, arXiv:2208.09392. The noise level is the severity, from 0 (clean) to 1 (nothing
left), and D restores the whole example at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import UsageError
from ..rng import Rng, Shape
from ..shapes import expand_as

Restore = Callable[[Tensor, float], Tensor]
"""``(x [b, ...], severity) -> x0``: the trained network."""

EDGE = 0.1
"""Width of the edge of a hole, as a share of the largest distance in an example."""


class Degradation(nn.Module, ABC):
    """How an example loses what it holds; the start of sampling and the solver follow from it.

    Args:
        channels: of an encoded example, ``x [b, channels, ...]``.
        improved: whether ``solve`` follows Algorithm 2, which forgives errors of D, or 1.
        jitter: standard deviation of the noise on the start, which makes equal starts differ.

    Attributes:
        mean, spread: ``[channels]``, of the means of each example's channels. Training measures
            them; they are saved with the network.
    """

    mean: Tensor
    square: Tensor
    count: Tensor

    def __init__(self, channels: int, improved: bool = True, jitter: float = 0.0) -> None:
        super().__init__()
        self.improved, self.jitter = improved, jitter
        for name in ("mean", "square"):
            self.register_buffer(name, torch.zeros(channels))
        self.register_buffer("count", torch.zeros(()))

    def draw(self, shape: Shape, rng: Rng) -> Tensor | None:
        """What is random in the degradation of each example; it stays while severity changes."""
        return None

    @abstractmethod
    def degrade(self, x0: Tensor, severity: Tensor, drawn: Tensor | None) -> Tensor:
        """D(x0, s) for ``severity [b]``: x0 at 0; at 1 it depends on nothing but channel means."""

    @torch.no_grad()
    def measure(self, x0: Tensor) -> None:
        """Add a training batch to the running means of its channel means and of their squares."""
        means = x0.flatten(2).mean(2)
        self.count += 1
        self.mean += (means.mean(0) - self.mean) / self.count
        self.square += (means.square().mean(0) - self.square) / self.count

    def start(self, shape: Shape, drawn: Tensor | None, rng: Rng) -> Tensor:
        """Degraded examples of which nothing is left   (Sec. 5.1 and 5.2)."""
        spread = (self.square - self.mean.square()).clamp_min(0).sqrt()
        level = self.mean + spread * rng.normal((shape[0], len(self.mean)))
        flat = level.reshape(*level.shape, *(1,) * (len(shape) - 2)).expand(*shape)
        gone = torch.ones(shape[0], device=level.device)
        return self.degrade(flat, gone, drawn) + self.jitter * rng.normal(shape)

    def solve(
        self, restore: Restore, x: Tensor, severities: Sequence[float], drawn: Tensor | None
    ) -> Tensor:
        """From the first of the falling severities to the last   (Algorithms 1 and 2)."""
        for s, s_next in pairwise(severities):
            x0 = restore(x, s)
            now, after = (
                self.degrade(x0, torch.full((len(x),), level, device=x.device), drawn)
                for level in (s, s_next)
            )
            x = x - now + after if self.improved else after
        return x


class Blur(Degradation):
    """Heat spreads until each channel has one value; no heat crosses the ends of an axis."""

    def degrade(self, x0: Tensor, severity: Tensor, drawn: Tensor | None) -> Tensor:
        for axis in range(2, x0.ndim):
            n = x0.shape[axis]
            mirrored = torch.cat((x0, x0.flip(axis)), axis)  # an even function: its ends are flat
            k = torch.fft.rfftfreq(2 * n, device=x0.device) * 2 * math.pi
            width = n * severity[:, None] ** 3  # most of the time at small widths
            decay = (-(k * width).square() / 2).exp().where(severity[:, None] < 1, (k == 0).float())
            decay = decay.reshape(len(x0), *(1,) * (axis - 1), len(k), *(1,) * (x0.ndim - axis - 1))
            spectrum = torch.fft.rfft(mirrored.float(), dim=axis) * decay
            x0 = torch.fft.irfft(spectrum, 2 * n, dim=axis).narrow(axis, 0, n)
        return x0


class Pixelate(Degradation):
    """Means over blocks that double, down to one block; between two sizes, their mixture."""

    def degrade(self, x0: Tensor, severity: Tensor, drawn: Tensor | None) -> Tensor:
        sizes = x0.shape[2:]
        last = math.ceil(math.log2(max(*sizes, 2)))
        place, x = severity * last, torch.zeros_like(x0)
        for k in range(last + 1):
            share = (1 - (place - k).abs()).clamp_min(0)
            x = x + expand_as(share, x0) * self._blocks(x0, [math.ceil(n / 2**k) for n in sizes])
        return x

    @staticmethod
    def _blocks(x: Tensor, counts: list[int]) -> Tensor:
        pools: dict[int, Callable[..., Tensor]] = {
            1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d
        }  # fmt: skip
        means = pools[len(counts)](x, counts)
        return F.interpolate(means, size=x.shape[2:], mode="nearest")


class Mask(Degradation):
    """A hole with soft edges grows from a random place until all is gone."""

    def draw(self, shape: Shape, rng: Rng) -> Tensor:
        """``[b, 1, ...]``: the distance of each place from the middle of the hole, from 0 to 1."""
        axes = shape[2:]
        middle = rng.uniform((shape[0], len(axes)))
        total = torch.zeros((), device=middle.device)
        for i, n in enumerate(axes):
            line = (torch.arange(n, device=middle.device) + 0.5) / n
            apart = (line - middle[:, i : i + 1]).square()
            total = total + apart.reshape(
                shape[0], 1, *(n if j == i else 1 for j in range(len(axes)))
            )
        return (total / len(axes)).sqrt()

    def degrade(self, x0: Tensor, severity: Tensor, drawn: Tensor | None) -> Tensor:
        assert drawn is not None
        reach = expand_as(severity, x0) * (1 + EDGE)
        return x0 * ((drawn - reach) / EDGE + 1).clamp(0, 1)


class Snow(Degradation):
    """Flakes of random brightness fall on one place after another, in a random order."""

    def draw(self, shape: Shape, rng: Rng) -> Tensor:
        """``[b, 1 + channels, ...]``: when the flake of each place falls, and how bright it is."""
        order = rng.uniform((shape[0], 1, *shape[2:]))
        return torch.cat((order, 1 + rng.normal(shape)), 1)

    def degrade(self, x0: Tensor, severity: Tensor, drawn: Tensor | None) -> Tensor:
        assert drawn is not None
        return torch.where(drawn[:, :1] < expand_as(severity, x0), drawn[:, 1:], x0)


class Fade(Degradation):
    """The example fades to the mean of the data, evenly."""

    def degrade(self, x0: Tensor, severity: Tensor, drawn: Tensor | None) -> Tensor:
        return (1 - expand_as(severity, x0)) * x0


DEGRADATIONS: dict[str, type[Degradation]] = {
    "blur": Blur,
    "pixelate": Pixelate,
    "mask": Mask,
    "snow": Snow,
    "fade": Fade,
}


def degradation(
    name: str, shape: Sequence[int | None], improved: bool = True, jitter: float = 0.0
) -> Degradation:
    """The degradation of this name for examples of this shape.

    Raises:
        UsageError: they are points, which have no places to spread over.
    """
    channels = shape[0]
    if channels is None or not 2 <= len(shape) <= 4:
        raise UsageError(
            f"The process cold degrades channels over one to three axes, and an encoded example has "
            f"the shape {tuple(shape)}. Choose another process, such as edm."
        )
    return DEGRADATIONS[name](channels, improved, jitter)
