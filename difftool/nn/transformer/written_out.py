"""Derivatives that are written out: they keep less for the backward pass, and pass over memory less often.

A part of a block is a formula and a ``torch.autograd.Function`` of the same values. The function serves eager
training and sampling on a CPU, where each elementwise operation costs a pass over memory; everywhere else, in
forward mode, and for gradients of gradients, the formula itself runs.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

LARGEST = 2**20
"""Numbers that memory is kept for: more do not stay in a cache."""


def applies(x: Tensor) -> bool:
    """Whether a derivative that is written out may be used for ``x``."""
    return (
        x.device.type == "cpu"
        and type(x) in (Tensor, nn.Parameter)  # of a class that only counts, numbers are not read
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
    )


def differentiable() -> bool:
    """Inside a backward pass: whether it is differentiated or mapped over in turn."""
    return torch.is_grad_enabled() or torch._C._are_functorch_transforms_active()


def retraced(
    formula: Callable[..., Tensor], inputs: Sequence[Any], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients of the inputs of ``formula(*inputs)``, which have gradients themselves.

    Args:
        inputs: tensors, and other values, whose gradient is None.
    """
    with torch.enable_grad():
        # a tensor that is given twice has two gradients
        own = [t.view_as(t) if isinstance(t, Tensor) else t for t in inputs]
        output = formula(*own)
    asked = [t for t in own if isinstance(t, Tensor) and t.requires_grad]
    found = iter(torch.autograd.grad(output, asked, grad, create_graph=True, allow_unused=True))
    return tuple(next(found) if isinstance(t, Tensor) and t.requires_grad else None for t in own)


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which passes compute: float32 for half precision, in which each is slower on a CPU."""
    return torch.promote_types(dtype, torch.float32)


def scratch(name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Memory for a value that lies between two others, which the next call of that name overwrites.

    It stays in the processor's cache; new memory does not, and a pass that fills it takes up to five times as long.
    """
    size = math.prod(shape)
    if size > LARGEST:
        return torch.empty(shape, dtype=dtype)
    held = _scratch.held
    key = (name, dtype, torch.is_inference_mode_enabled())
    if key not in held or held[key].numel() < size:
        held[key] = torch.empty(size, dtype=dtype)
    return held[key][:size].view(shape)


class _Scratch(threading.local):
    def __init__(self) -> None:
        self.held = dict[tuple[str, torch.dtype, bool], Tensor]()


_scratch = _Scratch()
