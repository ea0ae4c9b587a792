"""Likelihood: how probable examples are under a model, by its probability-flow ODE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..batch import Batch
from ..conditioners.mask import told
from ..context import Opened
from ..description import Description
from ..errors import UsageError
from ..guidance.bind import bind
from ..metric import ModelMetric
from ..nn.second_output import fraction_of
from ..process.posterior import step_nats
from ..representation import Representation
from ..rng import Rng
from ..sampler import Denoise
from ..shapes import expand_as
from ..space import Space
from .options import LikelihoodOptions


class Likelihood(ModelMetric):
    """Negative log-likelihood: nats per degree of freedom, and bits per dimension of integers.

    Integers, such as bytes, are dequantised with uniform noise, which makes the result an upper
    bound (Theis et al. 2016, arXiv:1511.01844, Sec. 3.1). ``vlb`` is the variational bound of the
    same model with infinitely many steps; ``learned_vlb`` is that of ``levels`` steps with the
    variances that the model has learned.
    """

    def __init__(self, options: LikelihoodOptions, description: Description) -> None:
        super().__init__(options, description)
        self._settings, self._conditions = options, description.conditions

    def measure_model(self, model: Opened, raw: Batch, rng: Rng) -> dict[str, Tensor]:
        if model.denoiser.degradation is not None:
            raise UsageError(
                "A model of cold diffusion has no likelihood, because it adds no noise. Leave out the "
                "metric likelihood."
            )
        settings, schedule = self._settings, model.process.schedule
        batch, log_width = dequantised(model.representation, raw, rng)
        batch = told(self._conditions, batch)
        space, x, mask = model.representation.space, batch.x, batch.mask
        denoise = bind(model.denoiser, batch.cond, mask)
        dof = degrees_of_freedom(space, x, mask, rng)
        levels = log_spaced(schedule.sigma_min, schedule.sigma_max, settings.steps)
        exact = x[0].numel() <= settings.exact
        probes = directions(space, x, mask, None if exact else settings.probes, dof, rng)
        found = {
            "": -log_likelihood(denoise, x, space, levels, dof, probes, exact=exact) / dof,
            "vlb_": variational_bound(denoise, x, space, levels, dof, mask, settings.draws, rng)
            / dof,
        }
        if model.denoiser.second is not None:
            found["learned_vlb_"] = learned_bound(
                model, batch, levels[-1], settings.levels, settings.draws, rng
            )
        numbers = {f"{kind}nats_per_dof": nats for kind, nats in found.items()}
        if log_width is not None:  # of a bin, in the units of the density
            numbers |= {
                f"{kind}bits_per_dim": (nats - log_width) / math.log(2)
                for kind, nats in found.items()
            }
        return numbers


def log_likelihood(
    denoise: Denoise,
    x: Tensor,
    space: Space,
    levels: Sequence[float],
    dof: Tensor,
    probes: Tensor,
    *,
    exact: bool = False,
) -> Tensor:
    """``[b]``: ln p(x) in nats, for x at the first of the rising levels.

    Song et al. 2021, arXiv:2011.13456, Eq. 39 and 40. With tau = ln sigma the flow is
    dx/dtau = x - D, and ln p changes along it by -(dof - tr dD/dx). The classical Runge-Kutta
    method solves both; p at the last level is N(0, sigma^2).

    Args:
        dof: degrees of freedom ``[b]``.
        probes: directions v ``[m, b, ...]`` for tr J = E v.J v (Hutchinson 1990).
        exact: the trace is the sum over all probes, not their mean.
    """
    # a new tensor: samples come from inference mode
    x, change = x.clone(), torch.zeros(len(x), dtype=torch.float64, device=x.device)

    def field(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        x0, trace = traced(denoise, x, sigma, probes, exact)
        return x - x0, dof - trace

    for sigma, after in pairwise(levels):
        h, middle = math.log(after / sigma), math.sqrt(sigma * after)
        k_1, r_1 = field(x, sigma)
        k_2, r_2 = field(x + h / 2 * k_1, middle)
        k_3, r_3 = field(x + h / 2 * k_2, middle)
        k_4, r_4 = field(x + h * k_3, after)
        x = x + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
        change += h / 6 * (r_1 + 2 * r_2 + 2 * r_3 + r_4)
    end = levels[-1]
    prior = -dof / 2 * math.log(2 * math.pi * end**2) - square(x) / (2 * end**2)
    return prior + change


def traced(
    denoise: Denoise, x: Tensor, sigma: float, probes: Tensor, exact: bool
) -> tuple[Tensor, Tensor]:
    """D(x; sigma), and the trace of its Jacobian ``[b]`` along the probes."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0 = denoise(x, sigma)
        traces = []
        for i, v in enumerate(probes):
            (slope,) = torch.autograd.grad(x0, x, v, retain_graph=i + 1 < len(probes))
            traces.append((slope * v).flatten(1).sum(1).double())
    total = torch.stack(traces)
    return x0.detach(), total.sum(0) if exact else total.mean(0)


def variational_bound(
    denoise: Denoise,
    x: Tensor,
    space: Space,
    levels: Sequence[float],
    dof: Tensor,
    mask: Tensor | None,
    draws: int,
    rng: Rng,
) -> Tensor:
    """``[b]``: the bound on -ln p(x) in nats.

    Kingma et al. 2021, arXiv:2107.00630, Eq. 11 and 15.

    The sum of |x|^2 / (2 sigma_max^2), of the integral of |x - D|^2 / sigma^2 over ln sigma, and of
    the entropy of N(0, sigma_min^2). The integral is estimated at evenly spread levels.
    """
    low, high = math.log(levels[0]), math.log(levels[-1])
    total = square(x) / (2 * levels[-1] ** 2)
    shift = rng.uniform((1,)).item()
    for i in range(draws):
        sigma = math.exp(low + (i + shift) / draws * (high - low))
        z = space.noise(x.shape, rng, mask).to(x.dtype)
        with torch.no_grad():
            error = square(x - denoise(x + sigma * z, sigma))
        total = total + (high - low) / draws * error / sigma**2
    return total + dof / 2 * (math.log(2 * math.pi * levels[0] ** 2) + 1)


def learned_bound(
    model: Opened, batch: Batch, high: float, steps: int, draws: int, rng: Rng
) -> Tensor:
    """``[b]``: the bound on -ln p(x) of a chain with learned variances, in nats per degree of
    freedom   (Nichol & Dhariwal 2021, arXiv:2102.09672, Eq. 3 to 6 and 15).

    The sum over the steps is estimated at ``draws`` of them, evenly spread.
    """
    space, schedule, x, mask = (
        model.representation.space,
        model.process.schedule,
        batch.x,
        batch.mask,
    )
    denoiser, last = model.denoiser, steps - 1
    signals = denoiser.signals({name: batch.cond[name] for name in denoiser.conditioners})
    mean = None if space.entrywise else lambda v: space.mean(v, mask)
    # of the prior N(0, high^2), given x: its variance is that of the data's noise
    total = space.mean_square(x, mask).double() / (2 * high**2)
    shift = rng.uniform((1,)).item()
    for i in range(draws):
        time = min(int((i + shift) / draws * steps), last)
        at, below = (
            schedule.sigma(torch.tensor([max(k, 0) / last], dtype=torch.float64)).item()
            for k in (time, time - 1)
        )
        sigma = x.new_full((len(x),), at)
        noisy = x + at * space.noise(x.shape, rng, mask).to(x.dtype)
        with torch.no_grad():
            estimate, _, second = denoiser.estimates(noisy, sigma, signals, mask)
        assert second is not None
        nats = step_nats(
            x,
            estimate,
            fraction_of(second, mean),
            expand_as(sigma, x),
            expand_as(sigma.new_full((len(x),), below if time else 0.0), x),
            lambda value: space.mean(value, mask),
            lambda error: space.mean_square(error, mask),
        )
        total = total + nats.double() * steps / draws
    return total


def directions(
    space: Space, x: Tensor, mask: Tensor | None, count: int | None, dof: Tensor, rng: Rng
) -> Tensor:
    """Directions in the space ``[m, b, ...]`` with E v v^T = 1, or all unit vectors for count None.

    Random ones lie on the sphere of radius sqrt(dof), so a multiple of the identity has its trace
    without error, in a subspace too.
    """
    if count is None:
        units = torch.eye(x[0].numel(), dtype=x.dtype, device=x.device)
        made = [unit.reshape(x[:1].shape).expand_as(x) for unit in units]
    else:
        made = [space.noise(x.shape, rng, mask).to(x) for _ in range(count)]
        made = [one * expand_as((dof / square(one)).sqrt(), one).to(x.dtype) for one in made]
    return torch.stack([space.project(one, mask) for one in made])


def degrees_of_freedom(space: Space, x: Tensor, mask: Tensor | None, rng: Rng) -> Tensor:
    """``[b]``: what the mean square of the space divides by."""
    some = space.noise(x.shape, rng, mask)
    return (square(some) / space.mean_square(some, mask).double()).round()


def square(x: Tensor) -> Tensor:
    """``[b, ...] -> [b]``, the squared norm in float64."""
    return x.double().square().flatten(1).sum(1)


def log_spaced(low: float, high: float, n: int) -> list[float]:
    """n + 1 rising levels, evenly spaced in ln sigma."""
    return [low * (high / low) ** (i / n) for i in range(n + 1)]


def dequantised(representation: Representation, raw: Batch, rng: Rng) -> tuple[Batch, float | None]:
    """The example in model units, and ln of the width of a bin there; None without bins.

    Integers are spread evenly over their bins, if the representation is affine in each entry.
    """
    if raw.x.dtype.is_floating_point:
        return representation.encode(raw), None
    whole = raw.x.float()
    at, above = (representation.encode(raw.with_x(x)).x for x in (whole, whole + 1))
    if at.shape != raw.x.shape:
        return representation.encode(raw), None
    width = (above - at)[
        torch.ones_like(at, dtype=torch.bool) if raw.mask is None else raw.mask.expand_as(at)
    ]
    if width.min() <= 0 or width.max() > 1.001 * width.min():
        return representation.encode(raw), None
    spread = whole + rng.uniform(whole.shape).to(whole.device) - 0.5
    return representation.encode(raw.with_x(spread)), math.log(width.mean().item())
