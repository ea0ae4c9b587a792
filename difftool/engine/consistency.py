"""Whether the samples of a later stage agree with its inputs: they are degraded and compared."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ..batch import Batch
from ..bridge import Bridge
from .padding import unpadded


def degraded(bridge: Bridge, examples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each raw example of a stage, degraded to what the earlier stage makes; one at a time."""
    return [_degraded(bridge, example) for example in examples]


def _degraded(bridge: Bridge, example: np.ndarray) -> np.ndarray:
    low = bridge.degrade(Batch(torch.from_numpy(np.ascontiguousarray(example))[None]))
    return unpadded(low.x, low)[0]


def consistency(bridge: Bridge, samples: Sequence[np.ndarray], low: Sequence[np.ndarray]) -> float:
    """Peak signal-to-noise ratio of the degraded samples to the inputs, over all entries, in dB.

    The peak is the range of the raw type. For floating-point numbers it is the range of the inputs.
    The rounding error of the type is the smallest error that counts, so exact agreement is a finite
    number: 59 dB for bytes. NaN if shapes differ.

    Args:
        samples: raw examples of the stage.
        low: the raw examples of the earlier stage that they refine.
    """
    again = degraded(bridge, samples)
    if any(ours.shape != given.shape for ours, given in zip(again, low, strict=True)):
        return math.nan
    squares = sum(
        float(np.square(ours.astype(np.float64) - given).sum())
        for ours, given in zip(again, low, strict=True)
    )
    peak, step = _range(low)
    return 10 * math.log10(peak**2 / max(squares / sum(given.size for given in low), step**2 / 12))


def _range(low: Sequence[np.ndarray]) -> tuple[float, float]:
    """The range of the raw numbers, and the distance of neighbours among them.

    The square of the distance over 12 is the mean square error of rounding.
    """
    if low[0].dtype.kind in "iu":
        info = np.iinfo(low[0].dtype)
        return float(info.max) - float(info.min), 1.0
    peak = float(max(one.max() for one in low) - min(one.min() for one in low)) or 1.0
    return peak, peak * float(np.finfo(low[0].dtype).eps)
