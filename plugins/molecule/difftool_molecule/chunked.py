"""The layers over all pairs with little memory: on a CPU a few examples at a time, so that no pass
over the pairs leaves the processor's cache; on other devices the whole batch at once.

The same numbers as of the plain formulas in ``edges``. What is kept for the way back is what comes
out of the second layer; all else is made again there, which costs less than to fetch it from
memory. Padding that no example of the few needs is not computed.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CACHE = 1 << 20
"""Bytes that the features of the pairs of a few examples may take: the second-level cache of most
processors.
"""

ONEDNN = platform.machine() in ("x86_64", "AMD64") and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)

silu_slope = torch.ops.aten.silu_backward


class Layers(NamedTuple):
    """silu(weight silu(start_i + end_j + along d_ij) + bias), all of one dtype.

    Attributes:
        start, end: ``[b, n, f]``, what the points at both ends contribute.
        lengths: ``[b, n, n, 2]``; along: ``[f, 2]``.
        weight: ``[f, f]``; bias: ``[f]``.
    """

    start: Tensor
    end: Tensor
    lengths: Tensor
    along: Tensor
    weight: Tensor
    bias: Tensor

    def few(self, few: Few) -> Layers:
        at, n = few
        return Layers(self.start[at, :n], self.end[at, :n], self.lengths[at, :n, :n], *self[3:])


class Few(NamedTuple):
    """The number of examples that are processed together, and of their points."""

    at: slice
    points: int


def gathered(
    layers: Layers, others: Tensor, gate: nn.Linear | None, extents: Sequence[int] | None
) -> Tensor:
    """Sum over j of gate_ij hidden_ij ``[b, n, f]``, over the others ``[b, n, n]`` of each point.

    Args:
        extents: as of ``Company``; None to compute the whole batch at once.
    """
    readout = (
        (None, None) if gate is None else (t.to(others.dtype) for t in (gate.weight, gate.bias))
    )
    return _Gathered.apply(_plan(layers, extents), others, *readout, *layers)


def read_out(layers: Layers, readout: nn.Linear, extents: Sequence[int] | None) -> Tensor:
    """``readout(hidden)``, ``[b, n, n, o]``."""
    return _Said.apply(_plan(layers, extents), readout.weight.to(layers.start.dtype), *layers)


def _plan(layers: Layers, extents: Sequence[int] | None) -> list[Few]:
    """Groups of neighbouring examples whose pairs fit into the cache."""
    if extents is None:
        return [Few(slice(0, len(layers.start)), layers.start.shape[1])]
    plan, room = [], CACHE // (layers.start.shape[-1] * layers.start.element_size())
    first = 0
    for i in range(1, len(extents) + 1):
        if i == len(extents) or (i + 1 - first) * max(extents[first : i + 1]) ** 2 > room:
            plan.append(Few(slice(first, i), max(extents[first:i])))
            first = i
    return plan


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        plan: list[Few],
        others: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        *inputs: Tensor,
    ) -> Tensor:
        layers = Layers(*inputs)
        total, kept = torch.zeros_like(layers.start), []
        for few in plan:
            before, gates = _before(layers.few(few)), _square(others, few)
            hidden = F.silu(before)
            if weight is not None and bias is not None:
                gates = _product(hidden, weight.t()).add_(bias).sigmoid_().squeeze(-1).mul_(gates)
            total[few.at, : few.points] = (gates.unsqueeze(2) @ hidden).squeeze(2)
            kept += [before, gates]
        ctx.plan = plan
        ctx.save_for_backward(weight, *inputs, *kept)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Any:
        weight, *rest = ctx.saved_tensors
        layers, kept = Layers(*rest[:6]), iter(rest[6:])
        slopes = _Slopes(layers)
        of_gate = (
            []
            if weight is None
            else [torch.zeros_like(t, dtype=slopes.exact) for t in (weight, weight[:, 0])]
        )
        for few in ctx.plan:
            before, gates = next(kept), next(kept)
            towards = slope[few.at, : few.points].unsqueeze(2)
            back = gates.unsqueeze(-1) * towards
            if weight is not None:
                hidden = F.silu(before)
                through = ((hidden * towards).sum(-1) * gates * (1 - gates)).unsqueeze(-1)
                of_gate[0] += _flat(through).t() @ _flat(hidden)
                of_gate[1] += through.sum()
                back.addcmul_(through, weight[0])
            slopes.add(few, before, back)
        return None, None, *([t.to(slope.dtype) for t in of_gate] or (None, None)), *slopes.all()


class _Said(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: list[Few], weight: Tensor, *inputs: Tensor) -> Tensor:
        layers, kept = Layers(*inputs), []
        out = layers.lengths.new_zeros(*layers.lengths.shape[:3], len(weight))
        for few in plan:
            kept.append(_before(layers.few(few)))
            _square(out, few)[:] = _product(F.silu(kept[-1]), weight.t())
        ctx.plan = plan
        ctx.save_for_backward(weight, *inputs, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Any:
        weight, *rest = ctx.saved_tensors
        layers = Layers(*rest[:6])
        slopes, to_weight = (
            _Slopes(layers),
            torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32)),
        )
        for few, before in zip(ctx.plan, rest[6:], strict=True):
            towards = _square(slope, few)
            to_weight += _flat(towards).t() @ _flat(F.silu(before))
            slopes.add(few, before, towards @ weight)
        return None, to_weight.to(weight.dtype), *slopes.all()


class _Slopes:
    """The gradients of ``Layers``, gathered from a few examples at a time; those of weights in at
    least single precision.
    """

    def __init__(self, layers: Layers) -> None:
        self.layers, self.exact = layers, torch.promote_types(layers.start.dtype, torch.float32)
        self.sums = Layers(
            *(torch.zeros_like(t) for t in layers[:3]),
            *(torch.zeros_like(t, dtype=self.exact) for t in layers[3:]),
        )

    def add(self, few: Few, before: Tensor, back: Tensor) -> None:
        """From what comes out of the second layer, and the gradient of silu of it, which is
        overwritten.
        """
        at, n = few
        mine = self.layers.few(few)
        silu_slope.grad_input(back, before, grad_input=back)
        inner = _inner(mine)
        out = _flat(back)
        self.sums.weight.add_(_product(out.t(), _flat(F.silu(inner))))
        self.sums.bias.add_(out.sum(0))
        back = _product(back, mine.weight)
        silu_slope.grad_input(back, inner, grad_input=back)
        self.sums.start[at, :n] = back.sum(2)
        self.sums.end[at, :n] = back.sum(1)
        self.sums.lengths[at, :n, :n] = _product(back, mine.along)
        self.sums.along.add_(_flat(back).t() @ _flat(mine.lengths))

    def all(self) -> Iterator[Tensor]:
        return (total.to(t.dtype) for total, t in zip(self.sums, self.layers, strict=True))


def _inner(layers: Layers) -> Tensor:
    """The output of the first layer, ``[k, n, n, f]``."""
    inner = layers.start.unsqueeze(2) + layers.end.unsqueeze(1)
    _flat(inner).addmm_(_flat(layers.lengths), layers.along.t())
    return inner


def _before(layers: Layers) -> Tensor:
    """The output of the second layer before its silu, ``[k, n, n, f]``."""
    return _product(F.silu(_inner(layers), inplace=True), layers.weight.t(), layers.bias)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x [..., f] @ weight [f, o] + bias``.

    In single precision on a CPU by oneDNN: the library that PyTorch would take there works at half of its
    speed on AMD processors.
    """
    if x.dtype == torch.float32 and x.device.type == "cpu" and ONEDNN:
        return torch.ops.mkldnn._linear_pointwise(x, weight.t(), bias, "none", [], "")
    return F.linear(x, weight.t(), bias)


def _square(x: Tensor, few: Few) -> Tensor:
    """The pairs of the group's points, from ``[b, n, n, ...]``."""
    return x[few.at, : few.points, : few.points]


def _flat(x: Tensor) -> Tensor:
    """``[..., c] -> [m, c]``."""
    return x.reshape(-1, x.shape[-1])
