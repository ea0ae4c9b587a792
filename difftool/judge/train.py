"""How a judge learns: conditions, and which two views are of one example."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .network import JudgeNetwork
from .target import Target, as_tensors, matched

BATCH = 48
EPOCHS = 12
FEWEST, MOST = 200, 500
"""Steps: as many as make the epochs, within these bounds."""

RATE, PEAK, DECAY = 2e-3, 4e-3, 0.02
TEMPERATURE = 0.2
NOISE = 0.05
"""Noise of a view, in standard deviations of the data."""

Look = Callable[[np.ndarray], Tensor]
"""The input of the network for the examples at some indices."""


def steps_for(count: int) -> int:
    """Number of steps for so many examples."""
    return min(MOST, max(FEWEST, EPOCHS * count // BATCH))


def train(
    network: JudgeNetwork,
    look: Look,
    count: int,
    targets: Sequence[Target],
    asked: dict[str, np.ndarray],
    rng: torch.Generator,
    steps: int,
) -> Iterator[int]:
    """Train on examples 0 to ``count``; yields the number of each step that is done.

    Each batch is seen in two views. The network learns to find each view's other one among all
    (Chen et al. 2020, arXiv:2002.05709, Eq. 1), and the conditions from both.
    """
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps)
    device = next(network.parameters()).device
    order = _order(count, rng)
    network.train()
    for step in range(1, steps + 1):
        indices = next(order)
        x = look(indices)
        views = torch.cat([view(x, rng), view(x, rng)]).to(device)
        features = network.features(views)
        loss = contrast(network.projected(features))
        truth = as_tensors(asked, indices)
        guesses, matches = network.guesses(features), network.matches(features)
        for one in targets:
            both = torch.cat([truth[one.name]] * 2).to(device)
            if one.kind == "words":
                told = network.texts(one.name, both)
                loss = loss + matched(matches[one.name], told, both)
            else:
                loss = loss + one.loss(guesses[one.name], both)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield step
    network.eval()


def view(x: Tensor, rng: torch.Generator) -> Tensor:
    """The examples with noise, and without a quarter of them along one axis, chosen at random."""
    seen = x + NOISE * torch.randn(x.shape, generator=rng)
    axes = [axis for axis in range(2, x.ndim) if x.shape[axis] >= 4]
    if not axes:
        return seen
    axis = axes[int(torch.randint(len(axes), (1,), generator=rng))]
    size = x.shape[axis] // 4
    starts = torch.randint(x.shape[axis] - size + 1, (len(x),), generator=rng)
    places = torch.arange(x.shape[axis])
    hidden = (places >= starts[:, None]) & (places < starts[:, None] + size)
    shape = [len(x), *([1] * (x.ndim - 1))]
    shape[axis] = x.shape[axis]
    return seen.masked_fill(hidden.reshape(shape), 0.0)


def contrast(z: Tensor) -> Tensor:
    """The cross-entropy of finding the other view; ``[2 b, d]`` of length 1, first views first."""
    half = len(z) // 2
    alike = (z @ z.T / TEMPERATURE).fill_diagonal_(-math.inf)
    other = torch.arange(len(z), device=z.device).roll(half)
    return F.cross_entropy(alike, other)


def _order(count: int, rng: torch.Generator) -> Iterator[np.ndarray]:
    """Random batches without end; every example once before any comes again."""
    size, left = min(BATCH, count), torch.zeros(0, dtype=torch.long)
    while True:
        if len(left) < size:
            left = torch.cat([left, torch.randperm(count, generator=rng)])
        now, left = left[:size], left[size:]
        yield now.numpy()
