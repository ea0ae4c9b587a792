"""What a trained diffusion does, as numbers and raw examples: for figures that explain it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..denoiser import Cond, D
from ..guidance.bind import bind
from ..guidance.guidance import Guidance, Sampling
from ..guidance.guided import Guided
from ..metrics.likelihood import directions, log_likelihood, log_spaced
from ..options import NoOptions
from ..rng import Stream
from ..sampler import Denoise
from ..shapes import expand_as
from ..stage import Stage
from .generate import generate
from .padding import unpadded
from .sample_request import SampleRequest

MOST_AT_ONCE = 256
"""Points of a density that are evaluated together."""


def noised(stage: Stage, raw: Batch, levels: Sequence[float], seed: int) -> list[list[np.ndarray]]:
    """Raw examples under noise: for each level, each example, scaled to the spread of the data.

    A process without noise degrades them as in training.
    """
    batch = stage.representation.encode(raw)
    rng, x0 = Stream(seed, "explain", device=batch.x.device), batch.x
    noise = stage.representation.space.noise(x0.shape, rng, batch.mask)
    degradation, sd = stage.denoiser.degradation, stage.process.preconditioning.sigma_data
    drawn = None if degradation is None else degradation.draw(x0.shape, rng)
    shown = []
    for level in levels:
        if degradation is None:
            x = (x0 + level * noise) / math.sqrt(1 + (level / sd) ** 2)
        else:
            x = degradation.degrade(x0, x0.new_full((len(x0),), level), drawn)
        back = stage.representation.decode(batch.with_x(x)).x.cpu()
        shown.append(unpadded(back, raw))
    return shown


class Watching(Guidance):
    """Another guidance, whose evaluations are kept: (sigma, x, estimate of x0)."""

    def __init__(self, inner: Guidance) -> None:
        super().__init__(NoOptions())
        self.inner, self.seen = inner, list[tuple[float, Tensor, Tensor]]()
        self.differentiates, self.limited = inner.differentiates, inner.limited
        self.recordable = inner.recordable

    def prepare(self, sampling: Sampling) -> Guidance:
        other = Watching(self.inner.prepare(sampling))
        other.seen = self.seen
        return other

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        denoise = bind(Guided(self.inner, denoiser, kept), cond, mask)

        def watched(x: Tensor, sigma: float) -> Tensor:
            x0 = denoise(x, sigma)
            self.seen.append((sigma, x.detach().clone(), x0.detach().clone()))
            return x0

        return watched


def reverse(
    stage: Stage, request: SampleRequest
) -> tuple[list[np.ndarray], list[tuple[float, list[np.ndarray], list[np.ndarray]]]]:
    """Samples, and at every evaluation on the way the noise level, the noisy examples, scaled to
    the spread of the data, and the estimates of the clean ones.
    """
    watching = Watching(request.guidance)
    request = replace(request, guidance=watching, batch=request.n)
    made = [one.example for one in generate(stage, request)]
    sd = stage.process.preconditioning.sigma_data
    noisy = stage.denoiser.degradation is None
    steps = []
    for sigma, x, x0 in watching.seen:
        scaled = x / math.sqrt(1 + (sigma / sd) ** 2) if noisy else x
        steps.append((sigma, _raw(stage, scaled, made), _raw(stage, x0, made)))
    return made, steps


def _raw(stage: Stage, x: Tensor, like: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Encoded examples without padding in raw units, cut to the sizes of finished samples."""
    back = stage.representation.decode(Batch(x)).x.cpu().numpy()
    return [
        one[tuple(slice(n) for n in other.shape)] for one, other in zip(back, like, strict=True)
    ]


def loss_by_level(
    stage: Stage, raw: Batch, levels: Sequence[float], seed: int
) -> tuple[list[float], list[float]]:
    """The mean squared error of D over the variance of the data, and the loss that training
    weighs it to, at each level.
    """
    batch = stage.representation.encode(raw)
    space, process, x0 = stage.representation.space, stage.process, batch.x
    denoise = bind(stage.denoiser, batch.cond, batch.mask)
    degradation = stage.denoiser.degradation
    errors, losses = [], []
    for i, level in enumerate(levels):
        rng = Stream(seed, "explain loss", i, device=x0.device)
        sigma = x0.new_full((len(x0),), level)
        if degradation is None:
            x = x0 + expand_as(sigma, x0) * space.noise(x0.shape, rng, batch.mask)
        else:
            x = degradation.degrade(x0, sigma, degradation.draw(x0.shape, rng))
        with torch.no_grad():
            error = space.mean_square(denoise(x, level) - x0, batch.mask)
            loss = process.weighting.weight(sigma) * error
        errors.append((error.mean() / process.preconditioning.sigma_data**2).item())
        losses.append(loss.mean().item())
    return errors, losses


def learned_density(stage: Stage, points: np.ndarray, steps: int = 48) -> np.ndarray:
    """ln p of raw examples ``[n, ...]`` of a few numbers each, by the probability-flow ODE.

    In units of the raw space, if the representation is affine.
    """
    device = next(stage.denoiser.parameters()).device
    found = []
    for at in range(0, len(points), MOST_AT_ONCE):
        raw = Batch(torch.from_numpy(points[at : at + MOST_AT_ONCE]).to(device))
        batch = stage.representation.encode(raw)
        x, rng = batch.x, Stream(0, "density", device=device)
        space, schedule = stage.representation.space, stage.process.schedule
        dof = x.new_full((len(x),), float(x[0].numel()), dtype=torch.float64)
        null = {
            name: one.null(_values(stage, name, len(x), device))
            for name, one in stage.denoiser.conditioners.items()
        }
        denoise = bind(stage.denoiser, null, None)
        levels = log_spaced(schedule.sigma_min, schedule.sigma_max, steps)
        probes = directions(space, x, None, None, dof, rng)
        inside = log_likelihood(denoise, x, space, levels, dof, probes, exact=True)
        found.append((inside + _log_scale(stage, raw)).cpu().numpy())
    return np.concatenate(found)


def _values(stage: Stage, name: str, n: int, device: torch.device) -> Tensor:
    column = stage.description.conditions[name]
    return torch.from_numpy(column.batch([column.null] * n)).to(device)


def _log_scale(stage: Stage, raw: Batch) -> float:
    """ln of the volume of an encoded example over that of the raw one, for scaled entries."""
    zero, one = (
        stage.representation.encode(raw.with_x(torch.full_like(raw.x[:1], value))).x
        for value in (0.0, 1.0)
    )
    return (one - zero).double().abs().log().sum().item()


def log_snr(levels: Sequence[float]) -> list[float]:
    """ln(1 / sigma^2) of the levels above 0."""
    return [-2 * math.log(level) for level in levels if level > 0]


def falls(levels: Sequence[float]) -> list[float]:
    """How far ln sigma falls in each step above 0."""
    return [math.log(a / b) for a, b in pairwise(levels) if b > 0]
