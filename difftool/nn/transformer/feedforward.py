"""The feed-forward layer of a transformer block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import linear
from .written_out import applies, differentiable, retraced

Activation = Callable[[Tensor], Tensor]


class Gelu(nn.Module):
    """``W2 gelu(W1 x)`` (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""

    def __init__(self, width: int, hidden: int, gain: float) -> None:
        super().__init__()
        self.inner = linear(width, hidden)
        self.outer = linear(hidden, width, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        return activated(F.gelu, self.inner(x), self.outer)


class SwiGLU(nn.Module):
    """``W3 (silu(W1 x) * W2 x)`` (Shazeer 2020, arXiv:2002.05202, Eq. 6)."""

    def __init__(self, width: int, hidden: int, gain: float) -> None:
        super().__init__()
        self.inner = linear(width, 2 * hidden)
        self.outer = linear(hidden, width, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        return activated(gated_silu, self.inner(x), self.outer)


def gated_silu(x: Tensor) -> Tensor:
    """``silu(a) * b`` of the halves ``a, b`` of the last axis."""
    gate, value = x.chunk(2, -1)
    return F.silu(gate) * value


def feedforward(kind: str, width: int, expansion: float, gain: float = 1.0) -> nn.Module:
    """A layer with ``2 expansion width^2`` weights, whichever kind it is of.

    Args:
        gain: of its last matrix; 0 for a branch that starts as nothing.
    """
    if kind == "swiglu":  # three matrices instead of two; hidden widths are multiples of 8
        return SwiGLU(width, max(8, round(expansion * width * 2 / 3 / 8) * 8), gain)
    return Gelu(width, round(expansion * width), gain)


def activated(activation: Activation, x: Tensor, layer: nn.Linear) -> Tensor:
    """``layer(activation(x))``, which keeps ``x`` only: the activation is computed again for the
    gradient of the weight.
    """
    if applies(x):
        return _Activated.apply(activation, x, layer.weight, layer.bias)
    return layer(activation(x))


class _Activated(torch.autograd.Function):
    """Only what is cheap is computed again: for GELU a fiftieth of the layer's time."""

    @staticmethod
    def forward(
        ctx: Any, activation: Activation, x: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        ctx.activation = activation
        ctx.save_for_backward(x, weight, bias)
        return _layer(activation, x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        if differentiable():
            return None, *retraced(partial(_layer, ctx.activation), (x, weight, bias), grad)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            h = ctx.activation(x)
        rows, needs = grad.flatten(0, -2), ctx.needs_input_grad
        dx = dweight = dbias = None
        if needs[1]:
            (dx,) = torch.autograd.grad(h, x, grad @ weight.to(grad.dtype))
        if needs[2]:
            dweight = (rows.t() @ h.detach().flatten(0, -2)).to(weight.dtype)
        if needs[3]:
            dbias = rows.sum(0).to(bias.dtype)
        return None, dx, dweight, dbias


def _layer(activation: Activation, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    # a cast by autocast inside a function would be kept without its gradient
    return F.linear(activation(x), weight.to(x.dtype), bias.to(x.dtype))
