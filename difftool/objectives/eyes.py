"""Eyes: networks in whose features reconstructions are compared, and latents are aligned."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batch import Batch
from ..description import Description
from ..errors import UsageError
from ..judge.eye import POSITIONS
from ..judge.network import JudgeNetwork
from ..judge.target import Target, target
from ..judge.train import NOISE, contrast
from ..nn.layers import masked, patchify
from ..nn.pretrained import pretrained
from ..rng import Rng
from ..shapes import expand_as

UNKNOWN = 64
"""Size that is taken for an axis that varies."""


class Eyes(ABC):
    """What is seen in encoded examples, as maps from fine to coarse.

    Attributes:
        channels: of the coarsest map.
    """

    channels: int

    @abstractmethod
    def maps(self, x: Tensor, mask: Tensor | None) -> list[Tensor]:
        """``[b, c, ...]`` -> maps ``[b, channels of each, ...]``. Gradients reach ``x``."""


class LearningJudge(nn.Module, Eyes):
    """A judge that learns what tells the examples apart while it is used.

    The network of ``difftool evaluate``'s judge, which sees encoded examples here: it finds an
    example's other view among those of a batch, and says the example's labels and numbers.
    """

    def __init__(self, description: Description, shape: Sequence[int | None]) -> None:
        super().__init__()
        channels, *axes = (n or UNKNOWN for n in shape)
        self.patch = _patch(axes)
        made = [target(column, description.count) for column in description.conditions.values()]
        self.targets: list[Target] = [one for one in made if one and one.kind != "words"]
        heads = {one.name: one.width for one in self.targets}
        self.network = JudgeNetwork(channels * math.prod(self.patch), len(axes), heads)
        self.channels = self.network.out.in_features

    def look(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return patchify(masked(x, mask), self.patch)

    def maps(self, x: Tensor, mask: Tensor | None) -> list[Tensor]:
        with _in_use(self.network):
            return self.network.maps(self.look(x, mask))

    def loss(self, batch: Batch, rng: Rng) -> Tensor:
        """The mean loss of a batch, as of a judge (``judge.train``)."""
        x = self.look(batch.x, batch.mask)
        features = self.network.features(torch.cat([glimpse(x, rng), glimpse(x, rng)]))
        loss = contrast(self.network.projected(features))
        guesses = self.network.guesses(features)
        for one in self.targets:
            truth = torch.cat([batch.cond[one.name]] * 2)
            loss = loss + one.loss(guesses[one.name], truth)
        return loss


class FrozenEyes(Eyes):
    """The hidden states of a pretrained network from a local folder, as in LPIPS.

    Zhang et al. 2018, arXiv:1801.03924, Sec. 3.1, with any network. Each channel of an example is
    brought to the mean 0 and the spread 1 of its batch, as such networks were trained.

    Args:
        path: a folder with ``config.json`` and ``model.safetensors``, of transformers.
        channels: of an encoded example; one channel is shown as many.
        dimension: number of its axes after the channels. What has one axis more than the network
            takes is shown slice by slice, such as clips.

    Raises:
        UsageError: the folder holds no such network, or transformers is not installed.
    """

    def __init__(self, path: str, channels: int, dimension: int, device: torch.device) -> None:
        self.network = pretrained(path).to(device)
        config = self.network.config
        self.name = self.network.main_input_name
        self.wanted = int(getattr(config, "num_channels", 1))
        self.axes = 2 if self.name == "pixel_values" else 1
        self.side, self.patch = (
            getattr(config, "image_size", None),
            getattr(config, "patch_size", 1),
        )
        if channels not in (1, self.wanted) or dimension - self.axes not in (0, 1):
            raise UsageError(
                f"The network in {path} sees {self.wanted} channels with {self.axes} axes, but "
                f"examples have {channels} with {dimension}. Set objective.features = judge, which "
                "sees any."
            )
        shown = torch.zeros(1, channels, *(self.side or UNKNOWN * 4,) * dimension, device=device)
        self.channels = self.maps(shown, None)[-1].shape[1]

    def maps(self, x: Tensor, mask: Tensor | None) -> list[Tensor]:
        x = masked(x, mask).float()
        over = (0, *range(2, x.ndim))
        mean, std = x.detach().mean(over, keepdim=True), x.detach().std(over, keepdim=True)
        x = (x - mean) / (std + 1e-6)
        slices = x.shape[2] if x.ndim - 2 > self.axes else 1
        if x.ndim - 2 > self.axes:
            x = x.transpose(1, 2).flatten(0, 1)
        if self.side:
            x = F.interpolate(x, (self.side,) * 2, mode="bilinear", antialias=True)
        given = x.expand(-1, self.wanted, *x.shape[2:]) if self.axes == 2 else x[:, 0]
        states = self.network(**{self.name: given}, output_hidden_states=True).hidden_states
        found = [self._map(state, given.shape[2:]) for state in states]
        if slices > 1:
            found = [m.unflatten(0, (-1, slices)).transpose(1, 2) for m in found]
        return found

    def _map(self, state: Tensor, sizes: Sequence[int]) -> Tensor:
        """Tokens ``[b, n, c]`` as ``[b, c, ...]``, without those that stand for no place."""
        if state.ndim == self.axes + 2 and self.axes == 2:
            return state
        if self.axes == 1:
            return state.transpose(1, 2)
        grid = [n // self.patch for n in sizes]
        return state[:, -math.prod(grid) :].transpose(1, 2).unflatten(2, grid)


def seen_error(wanted: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """``[b]``: the mean squared distance of maps whose channels have length 1 at each place.

    Zhang et al. 2018, Eq. 1, with weights of 1.
    """
    errors = [
        (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1).flatten(1).mean(1)
        for a, b in zip(wanted, made, strict=True)
    ]
    return torch.stack(errors).mean(0)


def glimpse(x: Tensor, rng: Rng) -> Tensor:
    """A view of each example: with noise, and without a quarter along one of its axes."""
    axes = [axis for axis in range(2, x.ndim) if x.shape[axis] >= 4]
    chosen, start = (rng.uniform((len(x),)) for _ in range(2))
    hidden = torch.zeros_like(x[:, :1], dtype=torch.bool)
    for i, axis in enumerate(axes):
        n = x.shape[axis]
        size = n // 4
        first = (start * (n - size + 1)).floor()
        places = torch.arange(n, device=x.device).reshape(-1, *(1,) * (x.ndim - axis - 1))
        inside = (places >= expand_as(first, x)) & (places < expand_as(first + size, x))
        here = (chosen * len(axes)).floor() == i
        hidden = hidden | (inside & expand_as(here, x))
    return (x + NOISE * rng.normal(x.shape)).masked_fill(hidden, 0.0)


def _patch(axes: Sequence[int]) -> tuple[int, ...]:
    """Sides of the patches that become one position of a judge, as of its eye."""
    patch = [1] * len(axes)
    while (
        math.prod(grid := [-(-n // side) for n, side in zip(axes, patch, strict=True)]) > POSITIONS
    ):
        patch[grid.index(max(grid))] *= 2
    return tuple(patch)


@contextmanager
def _in_use(network: nn.Module) -> Iterator[None]:
    """Inside, statistics of batches are used and not learnt."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
