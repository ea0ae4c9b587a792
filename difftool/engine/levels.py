"""The loss of a model at given noise levels, example by example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..conditioners.mask import told
from ..denoiser import Denoiser
from ..rng import Stream
from ..shapes import expand_as
from ..stage import Stage
from .evaluate import conditioned

AT_ONCE = 32
"""Number of examples that are denoised at once."""

Conditions = Sequence[Mapping[str, str | float | None]]
Change = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


def levels_of(stage: Stage, count: int) -> np.ndarray:
    """``[count]`` noise levels, increasing: quantiles of what the stage is trained on."""
    drawn = stage.process.density.draw(4096, Stream(0, "levels")).double().numpy()
    shares = (np.arange(count) + 0.5) / count
    return np.quantile(drawn, shares)


def encoded(
    stage: Stage, examples: Sequence[np.ndarray], conditions: Conditions
) -> Iterator[Batch]:
    """Raw examples as batches in model units on the stage's device, with their conditions."""
    device = next(stage.denoiser.parameters()).device
    for at in range(0, len(examples), AT_ONCE):
        some = slice(at, at + AT_ONCE)
        raw = stage.modality.collate(list(examples[some]), Stream(0, "levels", at))
        raw = conditioned(stage, raw, conditions[some]).map(lambda x: x.to(device))
        yield told(stage.description.conditions, stage.representation.encode(raw))


@torch.no_grad()
def level_losses(
    stage: Stage, batches: Sequence[Batch], sigmas: np.ndarray, denoiser: Denoiser | None = None
) -> np.ndarray:
    """``[levels, n]``: the weighted squared error of x0 for each example, without dropout.

    The noise is a function of the place of the example and the level only, so that the losses of
    different weights differ by the weights alone.

    Args:
        batches: encoded examples with their conditions.
        denoiser: to measure in place of the stage's own.
    """
    denoiser = denoiser or stage.denoiser
    return np.stack(
        [
            np.concatenate([_losses(stage, denoiser, batch, i, level, batch.cond)
                            for i, batch in enumerate(batches)])
            for level in sigmas
        ]
    )  # fmt: skip


@torch.no_grad()
def reaction(
    stage: Stage, batches: Sequence[Batch], sigma: float, change: Change
) -> tuple[np.ndarray, np.ndarray, float]:
    """What other conditions change at one level.

    Returns:
        the losses ``[n]`` under the true conditions and under ``change`` of them, and the root mean
        square change of the estimate over its root mean square error.
    """
    true, other, moved, missed = [], [], 0.0, 0.0
    for i, batch in enumerate(batches):
        one, x0 = _denoised(stage, stage.denoiser, batch, i, sigma, batch.cond)
        two, x1 = _denoised(stage, stage.denoiser, batch, i, sigma, change(batch.cond))
        true.append(one)
        other.append(two)
        space, mask = stage.representation.space, batch.mask
        moved += float(space.mean_square(x0 - x1, mask).sum())
        missed += float(space.mean_square(x0 - batch.x, mask).sum())
    return np.concatenate(true), np.concatenate(other), (moved / max(missed, 1e-12)) ** 0.5


def _losses(
    stage: Stage,
    denoiser: Denoiser,
    batch: Batch,
    index: int,
    sigma: float,
    cond: Mapping[str, Tensor],
) -> np.ndarray:
    return _denoised(stage, denoiser, batch, index, sigma, cond)[0]


def _denoised(
    stage: Stage,
    denoiser: Denoiser,
    batch: Batch,
    index: int,
    sigma: float,
    cond: Mapping[str, Tensor],
) -> tuple[np.ndarray, Tensor]:
    """The weighted squared errors ``[b]`` and the estimates of x0."""
    space, x0 = stage.representation.space, batch.x
    rng = Stream(0, f"level {sigma:.6g}", index, device=x0.device)
    level = x0.new_full((len(x0),), sigma)
    x = x0 + expand_as(level, x0) * space.noise(x0.shape, rng, batch.mask)
    if batch.observed is not None and batch.noise_free:
        x = space.keep(x, x0, batch.observed, batch.mask)
    estimate = denoiser(x, level, dict(cond), batch.mask)
    error = estimate - x0
    if batch.observed is not None:
        error = space.keep(error, torch.zeros_like(error), batch.observed, batch.mask)
    weight = stage.process.weighting.weight(level)
    return (weight * space.mean_square(error, batch.mask)).double().cpu().numpy(), estimate
