"""level: 16-bit samples <-> numbers whose full scale is 1. Nothing is ever clipped."""

from __future__ import annotations

import torch
from torch import Tensor

from difftool import expand_as

FULL_SCALE = 32768
PEAK = 32767
"""The largest 16-bit sample that has a negative of its own; -32768 is not used."""

HEADROOM = 10 ** (-0.1 / 20)
"""Where the peak of a sound that was turned down comes to lie: 0.1 dB below full scale, so that
converters do not overshoot.
"""


def to_float(x: Tensor) -> Tensor:
    """int16 -> float32; full scale is 1."""
    return x.float() / FULL_SCALE


def to_int16(x: Tensor) -> Tensor:
    """float ``[b, c, n]``, whose full scale is 1 -> int16, rounded.

    An example that exceeds full scale is turned down as a whole, because clipping is audible and a
    gain is not. Other examples keep their level exactly. NaN becomes silence.
    """
    x = torch.nan_to_num(x.float() * FULL_SCALE, posinf=0.0, neginf=0.0)
    peak = x.abs().flatten(1).amax(1)
    gain = torch.where(peak.round() > PEAK, PEAK * HEADROOM / peak, 1.0)
    return (x * expand_as(gain, x)).round_().to(torch.int16)


def to_int16_around(x: Tensor) -> Tensor:
    """Like ``to_int16``, for a sound of which parts are known: what exceeds full scale is cut off,
    because known parts cannot be turned down.
    """
    return to_int16(x.float().clamp(-PEAK / FULL_SCALE, PEAK / FULL_SCALE))
