"""Attention between the two matrices of a layer: one gave queries, keys and values, the other joins the heads.

As a formula, and with a derivative that is written out (see ``written_out``). What lies between the matrices
(normalised and turned queries and keys, mixed values, their split into heads) is computed again for the backward
pass from what the first matrix gave: that takes less than a hundredth of a step, and keeps half of the memory.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ..attention import attend, identity_attention
from .norm import inverse_rms, rms_norm
from .rotary import rotated
from .written_out import applies, differentiable, retraced, scratch, wide

SHORT = 256
"""Tokens up to which all weights of attention are kept in float32: no more memory than queries, keys and values."""


def split(x: Tensor, heads: int) -> Tensor:
    """``[b, n, heads d] -> [b, heads, n, d]``."""
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def merge(x: Tensor) -> Tensor:
    """``[b, heads, n, d] -> [b, n, heads d]``."""
    return rearrange(x, "b h n d -> b n (h d)")


def attention(
    x: Tensor,
    first: Tensor | None,
    mixture: Tensor | None,
    scales: Tensor | None,
    turn: Tensor | None,
    seen: Tensor | None,
    heads: int,
) -> Tensor:
    """softmax(q k^T / sqrt(d)) v for each head: ``[b, n, 3 width] -> [b, n, width]``.

    Args:
        x: queries, keys and values, side by side.
        first: ``[b, n, width]``, values that are mixed in by ``mixture``, a number; None for none.
        scales: ``[2, d]``, of normalised queries and keys; None for such as they are.
        turn: rotary positions ``[n, d / 2, 2]`` or ``[b, 1, n, d / 2, 2]``; None for none.
        seen: which keys take part, or what is added to the scores; see ``attend``.
        heads: their number.
    """
    n = x.shape[1]
    short = n <= SHORT if x.dtype.itemsize >= 4 else n <= 2**10
    learns = seen is not None and seen.requires_grad
    if applies(x) and short and not learns and not identity_attention.get():
        return _HeadAttention.apply(x, first, mixture, scales, turn, seen, heads)
    return _attention(x, first, mixture, scales, turn, seen, heads)


def queries_keys_values(
    x: Tensor,
    first: Tensor | None,
    mixture: Tensor | None,
    scales: Tensor | None,
    turn: Tensor | None,
    heads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Those of ``attention``, each ``[b, heads, n, d]``.

    Queries and keys are treated as one, which halves the number of passes over them; on a CPU in
    float32, where each pass is faster than in half precision, and values are rounded once.
    """
    width = x.shape[-1] // 3
    joined, value = x.split((2 * width, width), -1)
    if mixture is not None and first is not None:
        # keeps one difference for the backward pass, where lerp keeps queries and keys too
        value = torch.addcmul(value, mixture.to(value.dtype), first.to(value.dtype) - value)
    both, precision = joined.unflatten(-1, (2 * heads, -1)), x.dtype
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        both = both.to(wide(precision))
    if scales is not None:
        both = rms_norm(both) * scales.repeat_interleave(heads, 0).to(both.dtype)
    if turn is not None:
        both = rotated(both, turn.unsqueeze(1) if turn.ndim == 3 else turn.transpose(-4, -3))
    query, key = both.to(precision).transpose(1, 2).chunk(2, 1)
    return query, key, split(value, heads)


def _attention(
    x: Tensor,
    first: Tensor | None,
    mixture: Tensor | None,
    scales: Tensor | None,
    turn: Tensor | None,
    seen: Tensor | None,
    heads: int,
) -> Tensor:
    return merge(attend(*queries_keys_values(x, first, mixture, scales, turn, heads), seen))


class _HeadAttention(torch.autograd.Function):
    """``attention``, which keeps its inputs and the weights of the values."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        first: Tensor | None,
        mixture: Tensor | None,
        scales: Tensor | None,
        turn: Tensor | None,
        seen: Tensor | None,
        heads: int,
    ) -> Tensor:
        part = _Parts(x, first, mixture, scales, turn, heads)
        shape = (*part.query.shape[:-1], x.shape[1])
        with torch.autocast("cpu", enabled=False):
            scores = torch.bmm(part.query, part.key.mT, out=scratch("scores", shape, x.dtype))
            if seen is not None:
                scores = _masked(scores.unflatten(0, (-1, heads)), seen).flatten(0, 1)
            weights = scores.softmax(-1)
            values = scratch("values", part.value.shape, x.dtype)
            torch.bmm(weights, part.value, out=values)
        found = x.new_empty(*x.shape[:2], x.shape[2] // 3)
        _heads(found, heads).copy_(values.unflatten(0, (-1, heads)))
        ctx.heads = heads
        ctx.save_for_backward(x, first, mixture, scales, turn, seen, weights)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, first, mixture, scales, turn, seen, weights = ctx.saved_tensors
        heads = ctx.heads
        if differentiable():
            inputs = (x, first, mixture, scales, turn, seen, heads)
            return retraced(_attention, inputs, grad)
        part = _Parts(x, first, mixture, scales, turn, heads, again=True)
        dfound = scratch("values", part.value.shape, x.dtype)
        dfound.unflatten(0, (-1, heads)).copy_(_heads(grad, heads))
        dscores = torch.bmm(dfound, part.value.mT, out=scratch("scores", weights.shape, x.dtype))
        dscores = torch._softmax_backward_data(dscores, weights, -1, x.dtype)
        query, key = part.query, part.key
        dquery, dkey = torch.bmm(dscores, key), torch.bmm(dscores.mT, query)
        dx = torch.empty_like(x)
        dscales = part.back(dquery, dkey, dx)
        # queries and keys are not needed any more, and their memory is
        found = torch.bmm(weights.mT, dfound, out=query).unflatten(0, (-1, heads))
        dvalue, dvalues = x.new_empty(grad.shape), dx[..., 2 * grad.shape[-1] :]
        _heads(dvalue, heads).copy_(found)
        if first is None or mixture is None:
            dvalues.copy_(dvalue)
            return dx, None, None, dscales, None, None, None
        mix = float(mixture)
        torch.mul(dvalue, 1 - mix, out=dvalues)
        difference = torch.sub(first, part.raw_value, out=scratch("mixed", first.shape, x.dtype))
        dmixture = difference.mul_(dvalue).sum(dtype=wide(x.dtype)).to(mixture.dtype)
        return dx, dvalue.mul_(mix).to(first.dtype), dmixture, dscales, None, None, None


class _Parts:
    """Queries, keys and values, each ``[b heads, n, d]``, and the way back.

    Queries are divided by the root of the width of a head.

    Args:
        again: for the backward pass, which needs what lies between too.
    """

    def __init__(
        self,
        x: Tensor,
        first: Tensor | None,
        mixture: Tensor | None,
        scales: Tensor | None,
        turn: Tensor | None,
        heads: int,
        again: bool = False,
    ) -> None:
        width = x.shape[-1] // 3
        raw, self.raw_value = x.split((2 * width, width), -1)
        self.scales, self.heads = scales, heads
        self.turn = None if turn is None else _aligned(torch.view_as_complex(turn))
        # passes run along the memory of what comes from afar, and in place, which is twice as fast
        shape = (*raw.shape[:2], 2, heads, width // heads)
        self.unit = scratch("unit", shape, wide(x.dtype)).copy_(raw.unflatten(-1, shape[2:]))
        self.root = shape[-1] ** -0.5
        self.factors = self.unit.new_ones(2, 1, shape[-1])
        self.inverse: Tensor | None = None
        if scales is not None:
            self.inverse = inverse_rms(self.unit)
            self.unit.mul_(self.inverse)
            self.factors *= scales.unsqueeze(1)
        self.factors[0] *= self.root
        turned = scratch("turned", shape, self.unit.dtype) if again else self.unit
        torch.mul(self.unit, self.factors, out=turned)
        if self.turn is not None:
            torch.view_as_complex(turned.unflatten(-1, (-1, 2))).mul_(self.turn)
        both = scratch("both", (2, len(x), heads, x.shape[1], shape[-1]), x.dtype)
        both.copy_(turned.permute(2, 0, 3, 1, 4))
        self.query, self.key = both.flatten(1, 2)
        value = self.raw_value
        if mixture is not None and first is not None:
            mix, mixed = float(mixture), scratch("mixed", first.shape, x.dtype)
            value = torch.mul(first, mix, out=mixed).add_(value, alpha=1 - mix)
        self.value = scratch("value", both.shape[1:], x.dtype).copy_(_heads(value, heads))
        self.value = self.value.flatten(0, 1)

    def back(self, query: Tensor, key: Tensor, out: Tensor) -> Tensor | None:
        """Write the gradient of what the matrix gave; return that of the scales.

        Args:
            query, key: their gradients, ``[b heads, n, d]``.
            out: ``[b, n, 3 width]``.
        """
        grad = scratch("turned", self.unit.shape, self.unit.dtype)
        for i, one in enumerate((query, key)):
            grad[:, :, i].copy_(one.unflatten(0, (-1, self.heads)).transpose(1, 2))
        if self.turn is not None:
            torch.view_as_complex(grad.unflatten(-1, (-1, 2))).mul_(self.turn.conj())
        found = None
        if self.inverse is None or self.scales is None:
            grad.mul_(self.factors)
        else:
            slope = torch.mul(grad, self.unit, out=scratch("slope", grad.shape, grad.dtype))
            # over tokens first, along the memory
            dscales = slope.flatten(0, 1).flatten(1).sum(0).view(2, self.heads, -1).sum(1)
            dscales[0] *= self.root
            found = dscales.to(self.scales.dtype)
            inner = slope.mul_(self.factors).mean(-1, keepdim=True)
            grad.mul_(self.factors).addcmul_(self.unit, inner, value=-1).mul_(self.inverse)
        out[..., : 2 * out.shape[-1] // 3].unflatten(-1, grad.shape[2:]).copy_(grad)
        return found


def _aligned(turn: Tensor) -> Tensor:
    """``[n, pairs]`` or ``[b, 1, n, pairs]`` -> what multiplies ``[b, n, 2, heads, pairs]``."""
    return turn[:, None, None] if turn.ndim == 2 else turn.transpose(1, 2).unsqueeze(2)


def _heads(x: Tensor, heads: int) -> Tensor:
    """The view ``[b, n, heads d] -> [b, heads, n, d]``."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _masked(scores: Tensor, seen: Tensor) -> Tensor:
    if seen.dtype == torch.bool:
        return scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    return scores + seen.to(scores.dtype)
