"""The arithmetic of a training step: operations of matrix products and convolutions, forward and
backward, attention included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def _linear(x: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    """Operations of ``x [..., in]`` times ``weight [out, in]``."""
    return 2 * x.numel() * weight.shape[0]


UNKNOWN = (
    {torch.ops.mkldnn._linear_pointwise: _linear}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise")
    else {}
)
"""Operations of which PyTorch has no formula."""


class Operations(TorchDispatchMode):
    """Counts floating-point operations inside the block, by PyTorch's formulas.

    Its own counter also finds out in which module each was, by hooks that fail where a module takes a
    weight as an input, as those of ``edm2`` do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = getattr(func, "_overloadpacket", func)
        formula = UNKNOWN.get(packet) or flop_registry.get(packet)
        if formula:
            made = func(*args, **kwargs)
            self.count += formula(*args, **kwargs, out_val=made)
            return made
        if getattr(func, "namespace", "") == "aten":
            with self:  # it may be made of others
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        return func(*args, **kwargs)


def flops_of(work: Callable[[], object]) -> int:
    """Floating-point operations of a piece of work.

    Attention is computed as plain products meanwhile, because not every kernel of it has a formula.
    """
    with Operations() as operations, sdpa_kernel(SDPBackend.MATH):
        work()
    return operations.count
