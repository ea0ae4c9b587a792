"""Objective: what is minimised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from .batch import Batch
from .denoiser import Denoiser
from .process.process import Process
from .rng import Rng
from .shapes import expand_as
from .space import Space


class Objective(ABC):
    """``loss(denoiser, process, space, batch, rng) -> [b]``. Anything that trains through the loop is one of these."""

    @abstractmethod
    def loss(self, denoiser: Denoiser, process: Process, space: Space, batch: Batch, rng: Rng) -> Tensor:
        """The loss of each example, ``[b]``."""


class Denoising(Objective):
    """Denoising score matching: E lambda(sigma) |D(x0 + sigma eps; sigma) - x0|^2   (Karras et al. 2022, Eq. 2).

    What is known of an example counts as met, as samples keep it. Computed on the network's native target (x0 - skip x) / out with weight lambda out^2: the same loss, better conditioned (Eq. 8).
    """

    def __init__(self, options: object = None) -> None:
        del options

    def loss(self, denoiser: Denoiser, process: Process, space: Space, batch: Batch, rng: Rng) -> Tensor:
        x0, mask = batch.x, batch.mask
        sigma = process.density.draw(len(batch), rng)
        x = x0 + expand_as(sigma, x0) * space.noise(x0.shape, rng, mask)
        if batch.known is not None and batch.clean:
            x = space.keep(x, x0, batch.known, mask)
        output, c = denoiser.network(x, sigma, drop_conditions(denoiser, batch.cond, rng), mask)
        target = (x0 - expand_as(c.skip, x) * x) / expand_as(c.out, x)
        error = output - target
        if batch.known is not None:
            error = space.keep(error, torch.zeros_like(error), batch.known, mask)
        return process.weighting.weight(sigma) * c.out.square() * space.mean_square(error, mask)


def drop_conditions(denoiser: Denoiser, cond: Mapping[str, Tensor], rng: Rng) -> dict[str, Tensor]:
    """Replace each condition of each example by null with its own probability (Ho & Salimans 2022, arXiv:2207.12598, Alg. 1)."""
    kept = {}
    for name, conditioner in denoiser.conditioners.items():
        value = cond[name]
        if conditioner.dropout > 0:
            dropped = rng.uniform((len(value),)) < conditioner.dropout
            value = conditioner.null(value).where(expand_as(dropped, value), value)
        kept[name] = value
    return kept
