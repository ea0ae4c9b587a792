"""What objectives for few evaluations share: the step between two levels, and its inverse."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..errors import UsageError
from ..process.process import Schedule
from ..rng import Rng
from ..shapes import expand_as


def require_no_memory(denoiser: Denoiser, objective: str) -> None:
    """Raise UsageError for a network that looks at its own estimate of the step before."""
    if denoiser.remembers:
        raise UsageError(
            "The network looks at its own estimate of the step before. Train it with "
            "train.self_conditioning = false, or choose another backbone: the objective "
            f"{objective} trains steps that have no step before."
        )


def stepped_to(x: Tensor, estimate: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """x at level s, on the line from x at level t to the estimate: (s/t) x + (1 - s/t) estimate.

    Euler's step, which is DDIM (Song et al. 2021, arXiv:2010.02502, Eq. 12).

    Args:
        t, s: ``[b]``, with 0 <= s <= t.
    """
    return torch.lerp(estimate, x, expand_as(s / t, x))


def estimate_of(x: Tensor, reached: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """The estimate whose step from t to s < t reaches a point: the inverse of ``stepped_to``.

    Salimans & Ho 2022, arXiv:2202.00512, Eq. 43.
    """
    ratio = expand_as(s / t, x)
    return (reached - ratio * x) / (1 - ratio)


def second_order(
    first: Tensor, second: Tensor, t: Tensor, middle: Tensor, s: Tensor, data: float
) -> Tensor:
    """The estimate whose step from t to s is exact for Gaussian data, and of second order for all.

    On the flow x / sigma has the derivative -D / sigma^2. Of Gaussian data with the standard
    deviation c, D = a + b w with w = c / sqrt(sigma^2 + c^2), which leads to

        x_s = (s/t) x + (1 - s/t) a + b (sqrt(s^2 + c^2) - (s/t) sqrt(t^2 + c^2)) / c

    This is the exponential integrator of second order (Zhang & Chen 2023, arXiv:2204.13902, Eq. 14
    and 15) in that variable. Two Euler steps have an error of first order, which a student would
    keep, and so would one that takes D to be linear in sigma where levels are far apart: samples
    would vary less than the teacher's.

    Args:
        first, second: estimates at level t and at the middle one, ``[b, ...]``.
        t, middle, s: ``[b]``, with 0 <= s < middle < t.
        data: the standard deviation c.
    """
    at_t, at_middle, at_s = (torch.hypot(one, torch.full_like(one, data)) for one in (t, middle, s))
    w_t, w_middle = data / at_t, data / at_middle
    mean = (at_s - s / t * at_t) / data / (1 - s / t)
    weight = (mean - w_t) / (w_middle - w_t)
    return torch.lerp(first, second, expand_as(weight, first))


def between(schedule: Schedule, levels: list[float], parts: int) -> list[float]:
    """Each interval of decreasing levels, which end with 0, in equal parts of the schedule's time.

    So the levels of a sampler of n steps are among those of one of ``parts`` n steps. Where time
    has ended before 0, the parts are equal in sigma.
    """
    share = torch.arange(1, parts, dtype=torch.float64) / parts
    found = levels[:1]
    for high, low in pairwise(levels):
        ends = torch.tensor([high, max(low, schedule.sigma_min)], dtype=torch.float64)
        start, end = schedule.time(ends) * torch.tensor([1.0, float(low > 0)])
        inner = schedule.sigma(start + (end - start) * share) if start > end else high * (1 - share)
        found = [*found, *inner.tolist(), low]
    return found


def levels_within(schedule: Schedule, lowest: float, highest: float, n: int, rng: Rng) -> Tensor:
    """Levels ``[n]`` that are uniform between two shares of the schedule's time."""
    time = lowest + (highest - lowest) * rng.uniform((n,))
    return schedule.sigma(time.double()).float()
