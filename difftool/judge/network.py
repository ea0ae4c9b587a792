"""The network of a judge: convolutions over any number of axes, features, and guesses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, LEVELS, FEATURES = 24, 3, 32
"""Features are few, so that 256 samples are enough for their covariance."""


class JudgeNetwork(nn.Module):
    """A convolutional network with three levels, and a linear head for each condition.

    Args:
        channels: of the input.
        axes: number of axes after the channels, 1 to 3.
        heads: condition name -> number of outputs.
        texts: condition name -> number of words that are told apart.
    """

    def __init__(
        self,
        channels: int,
        axes: int,
        heads: Mapping[str, int],
        texts: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        widths = [channels + axes, *(WIDTH * 2**level for level in range(LEVELS))]
        self.levels = nn.ModuleList(
            _level(axes, before, after) for before, after in pairwise(widths)
        )
        self.out = nn.Linear(widths[-1], FEATURES)
        self.heads = nn.ModuleList(nn.Linear(FEATURES, width) for width in heads.values())
        self.names = tuple(heads)
        texts = texts or {}
        self.text_names = tuple(texts)
        self.seen = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in texts)
        self.told = nn.ModuleList(nn.Linear(words, FEATURES) for words in texts.values())
        self.projection = nn.Linear(FEATURES, FEATURES)

    def features(self, x: Tensor) -> Tensor:
        """``[b, channels, ...] -> [b, 32]``."""
        return self.pooled(self.maps(x)[-1])

    def maps(self, x: Tensor) -> list[Tensor]:
        """``[b, channels, ...]`` -> what each level sees, from fine to coarse."""
        x, found = torch.cat([x, places(x)], 1), list[Tensor]()
        for number, level in enumerate(self.levels):
            x = level(x)
            found.append(x)
            if number < LEVELS - 1:
                x = halved(x)
        return found

    def pooled(self, last: Tensor) -> Tensor:
        """Features of the map of the last level."""
        return self.out(last.flatten(2).mean(2))

    def guesses(self, features: Tensor) -> dict[str, Tensor]:
        """Condition name -> ``[b, outputs]``: logits of labels, or a number near unit scale."""
        hidden = F.relu(features)
        return {name: head(hidden) for name, head in zip(self.names, self.heads, strict=True)}

    def matches(self, features: Tensor) -> dict[str, Tensor]:
        """Condition name -> ``[b, 32]``, of length 1, to compare with ``texts``."""
        hidden = F.relu(features)
        return {
            name: F.normalize(head(hidden), dim=1)
            for name, head in zip(self.text_names, self.seen, strict=True)
        }

    def texts(self, name: str, words: Tensor) -> Tensor:
        """``[b, words] -> [b, 32]`` of length 1; 0 where there is no text."""
        told = F.normalize(self.told[self.text_names.index(name)](words.float()), dim=1)
        return told * (words[:, :1] >= 0)

    def projected(self, features: Tensor) -> Tensor:
        """``[b, 32]``, of length 1: what is compared with another view of the same example."""
        return F.normalize(self.projection(F.relu(features)), dim=1)


def places(x: Tensor) -> Tensor:
    """``[b, axes, ...]``: positions from -1 to 1, since where something is may matter.

    Liu et al. 2018, arXiv:1807.03247. The pitch of a sound is a place on an axis.
    """
    lines = [
        torch.linspace(-1, 1, n, device=x.device) if n > 1 else x.new_zeros(1) for n in x.shape[2:]
    ]
    grid = torch.stack(torch.meshgrid(*lines, indexing="ij"))
    return grid.expand(len(x), *grid.shape)


def halved(x: Tensor) -> Tensor:
    """The maximum of two neighbours along each axis of at least four positions."""
    sizes = [2 if n >= 4 else 1 for n in x.shape[2:]]
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[len(sizes)]
    return pool(x, sizes)


def _level(axes: int, before: int, after: int) -> nn.Sequential:
    convolution = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
    norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[axes]
    return nn.Sequential(
        convolution(before, after, 3, padding=1),
        norm(after),
        nn.ReLU(),
        convolution(after, after, 3, padding=1),
        norm(after),
        nn.ReLU(),
    )
