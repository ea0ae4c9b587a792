"""adaLN-Zero: the noise level scales, shifts and gates each branch of a block.

Peebles & Xie 2023, arXiv:2212.09748, sec. 3.2. Everything starts at zero, so that a new block is
the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..layers import linear
from .norm import inverse_rms, rms_norm
from .written_out import applies, differentiable, retraced, scratch, wide


class Modulation(nn.Module):
    """An embedding -> vectors for one block.

    Args:
        embedding: width of the embedding.
        count: number of vectors, each ``[b, 1, width]``.
        shared: the embedding already holds all vectors, made once for all blocks; the block only
            adds learned ones (adaLN-single; Chen et al. 2023, arXiv:2310.00426, sec. 2.3).
    """

    def __init__(self, embedding: int, width: int, count: int, shared: bool = False) -> None:
        super().__init__()
        self.count = count
        self.linear = None if shared else linear(embedding, count * width, gain=0)
        self.table = nn.Parameter(torch.zeros(count * width)) if shared else None

    @torch.no_grad()
    def start(self, gates: Sequence[int]) -> None:
        """Set the learned vectors with these numbers to one."""
        assert self.table is not None
        for i in gates:
            self.table.chunk(self.count)[i].fill_(1.0)

    def forward(self, embedding: Tensor) -> tuple[Tensor, ...]:
        if self.linear is not None:
            vectors = self.linear(embedding)
        else:
            assert self.table is not None
            vectors = embedding + self.table
        return vectors.unsqueeze(1).chunk(self.count, -1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``x (1 + scale) + shift``."""
    return torch.addcmul(shift, x, 1 + scale)


def normalised(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """``x / rms(x) (1 + scale) + shift``, which keeps ``x`` and one number of each token."""
    if applies(x):
        return _Normalised.apply(x, shift, scale)
    return _normalised(x, shift, scale)


def gated(x: Tensor, gate: Tensor, h: Tensor) -> Tensor:
    """``x + gate h``."""
    if applies(x):
        return _Gated.apply(x, gate, h)
    return torch.addcmul(x, gate, h)


def _normalised(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return modulated(rms_norm(x), shift, scale)


class _Normalised(torch.autograd.Function):
    """z = y s + shift with y = x r, s = 1 + scale and r = 1 / rms(x).

    With g = s dz, dx = r (g - y mean(y g)) over channels; dscale and dshift are sums of y dz and of dz over tokens.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        dtype = wide(x.dtype)
        y = scratch("unit", x.shape, dtype).copy_(x)
        r = inverse_rms(y)
        s = 1 + scale.to(dtype)
        z = torch.addcmul(shift.to(dtype), y.mul_(r), s, out=y)
        ctx.save_for_backward(x, shift, scale, r)
        return z.to(torch.promote_types(x.dtype, shift.dtype), copy=True)

    @staticmethod
    def backward(ctx: Any, dz: Tensor) -> tuple[Tensor | None, ...]:
        x, shift, scale, r = ctx.saved_tensors
        if differentiable():
            return retraced(_normalised, (x, shift, scale), dz)
        s = 1 + scale.to(r.dtype)
        y = scratch("unit", x.shape, r.dtype).copy_(x).mul_(r)
        g = scratch("turned", x.shape, r.dtype).copy_(dz)
        slope = torch.mul(g, y, out=scratch("slope", x.shape, r.dtype))
        dscale = slope.sum_to_size(scale.shape).to(scale.dtype, copy=True)
        inner = slope.mul_(s).mean(-1, keepdim=True)
        dx = g.mul_(s).addcmul_(y, inner, value=-1).mul_(r).to(x.dtype, copy=True)
        return dx, dz.sum_to_size(shift.shape).to(shift.dtype), dscale


class _Gated(torch.autograd.Function):
    """As autograd has it, without its products by one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, h: Tensor) -> Tensor:
        ctx.save_for_backward(gate, h)
        ctx.dtype = x.dtype
        return torch.addcmul(x, gate, h)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gate, h = ctx.saved_tensors
        dgate = (grad * h).sum_to_size(gate.shape).to(gate.dtype)
        return grad.to(ctx.dtype), dgate, (grad * gate).to(h.dtype)
