"""The arithmetic of a training step: operations of matrix products and convolutions, forward and
backward, attention included.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def _linear(x: list[int], weight: list[int], *_: Any, **__: Any) -> int:
    """Operations of ``x [..., in]`` times ``weight [out, in]``."""
    return 2 * prod(x) * weight[0]


UNKNOWN = (
    {torch.ops.mkldnn._linear_pointwise: _linear}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise")
    else {}
)
"""Operations that PyTorch's counter does not know by itself."""


def flops_of(work: Callable[[], object]) -> int:
    """Floating-point operations of a piece of work.

    Attention is computed as plain products meanwhile, because the counter does not know every
    kernel of it.
    """
    counter = FlopCounterMode(display=False, custom_mapping=UNKNOWN)
    with counter, sdpa_kernel(SDPBackend.MATH):
        work()
    return counter.get_total_flops()
