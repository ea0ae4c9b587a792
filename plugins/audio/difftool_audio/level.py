"""level: between 16-bit samples and numbers of which 1 is full scale. Nothing is ever clipped."""

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
    """int16 -> float32, full scale being 1."""
    return x.float() / FULL_SCALE


def to_int16(x: Tensor) -> Tensor:
    """float ``[b, c, n]``, full scale being 1 -> int16, rounded.

    An example that would not fit is turned down as a whole: clipping is heard, a gain is not.
    Others keep their level to the bit. What is not a number becomes silence.
    """
    x = torch.nan_to_num(x.float() * FULL_SCALE, posinf=0.0, neginf=0.0)
    peak = x.abs().flatten(1).amax(1)
    gain = torch.where(peak.round() > PEAK, PEAK * HEADROOM / peak, 1.0)
    return (x * expand_as(gain, x)).round_().to(torch.int16)
