"""A step of the reverse diffusion with learned variances, and its part of the variational bound.

Nichol & Dhariwal 2021, arXiv:2102.09672, Sec. 2.2 and 3.1, divided by a: in x = x0 + sigma eps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .process import Schedule

Mean = Callable[[Tensor], Tensor]
"""``[b, ...] -> [b]``: the mean over the degrees of freedom of each example."""


def step_below(schedule: Schedule, sigma: Tensor, steps: int) -> Tensor:
    """``[b]``: the level that is 1 / ``steps`` of the schedule's time below; 0 below sigma_min.

    In a table of as many levels it is the next entry.
    """
    time = schedule.time(sigma.double()) - 1 / (steps - 1)
    below = schedule.sigma(time.clamp_min(0)).to(sigma.dtype)
    return torch.where(time > -0.5 / (steps - 1), below.minimum(sigma), 0.0)


def variance_range(sigma: Tensor, sigma_next: Tensor) -> tuple[Tensor, Tensor]:
    """The posterior's variance and that of the forward step, ``[b]``: the ends of what is learned.

    At ``sigma_next`` = 0 the posterior's would be 0. Half of the other's is taken there, which is
    about that of the step before (the paper's code takes that one).
    """
    large = (sigma**2 - sigma_next**2) * (1 + sigma_next**2) / (1 + sigma**2)
    small = sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2
    return torch.where(sigma_next > 0, small, large / 2), large


def learned_variance(fraction: Tensor, small: Tensor, large: Tensor) -> Tensor:
    """exp(v log beta + (1 - v) log beta~)   (Eq. 15)."""
    return (fraction * large.log() + (1 - fraction) * small.log()).exp()


def step_nats(
    x0: Tensor,
    estimate: Tensor,
    fraction: Tensor,
    sigma: Tensor,
    sigma_next: Tensor,
    mean: Mean,
    mean_square: Mean,
) -> Tensor:
    """``[b]``: L_t of the variational bound, in nats per degree of freedom   (Eq. 4 to 6).

    It is the divergence of the posterior from the model's step. Where ``sigma_next`` is 0 it is
    -ln p(x0 | x), for data that are real numbers.

    Args:
        estimate: D(x; sigma).
        sigma, sigma_next: ``[b, 1, ...]``.
    """
    small, large = variance_range(sigma, sigma_next)
    variance = learned_variance(fraction, small, large)
    # the means are on the straight lines from x to x0 and to D
    apart = (1 - (sigma_next / sigma) ** 2) * (x0 - estimate)
    square = mean_square(apart / variance.sqrt()) / 2
    divergence = ((variance / small).log() + small / variance - 1) / 2
    surprise = (math.log(2 * math.pi) + variance.log()) / 2
    shape = torch.broadcast_shapes(divergence.shape, x0.shape)
    return square + mean(torch.where(sigma_next > 0, divergence, surprise).expand(shape))
