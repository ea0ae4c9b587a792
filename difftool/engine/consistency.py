"""Whether a stage that refines keeps to what it was given: its samples, degraded again, against
that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ..batch import Batch
from ..bridge import Bridge
from .generate import unpadded


def degraded(bridge: Bridge, examples: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each raw example of a stage as the earlier one makes it, by itself."""
    return [_degraded(bridge, example) for example in examples]


def _degraded(bridge: Bridge, example: np.ndarray) -> np.ndarray:
    low = bridge.degrade(Batch(torch.from_numpy(np.ascontiguousarray(example))[None]))
    return unpadded(low.x, low)[0]


def consistency(bridge: Bridge, samples: Sequence[np.ndarray], low: Sequence[np.ndarray]) -> float:
    """The peak signal-to-noise ratio in dB between degraded samples and what they refine, in raw
    units, of all entries together.

    The peak is the range of the raw type; of floating-point numbers, the range of what is refined.
    Rounding counts as an error, so that what agrees to the last bit is at a finite number, 59 dB
    for bytes. NaN where shapes differ, and nothing can be said.
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
    """The range of raw numbers and the distance of neighbours among them, whose square over 12 is
    what rounding costs.
    """
    if low[0].dtype.kind in "iu":
        info = np.iinfo(low[0].dtype)
        return float(info.max) - float(info.min), 1.0
    peak = float(max(one.max() for one in low) - min(one.min() for one in low)) or 1.0
    return peak, peak * float(np.finfo(low[0].dtype).eps)
