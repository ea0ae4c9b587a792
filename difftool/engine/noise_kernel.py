"""The random numbers of a batch of streams by one Triton kernel, as ``difftool.philox.formula``
computes them.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..philox import formula

BLOCK = 256


@triton.jit(do_not_specialize=["draw", "count"])
def _draw(keys, out, draw, count, NORMAL: tl.constexpr, BLOCK: tl.constexpr):
    """Four numbers of one stream for each of BLOCK counters, a quarter of the stream apart."""
    row = tl.program_id(0).to(tl.int64)
    groups = (count + 3) // 4
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    zero = at * 0
    w0, w1, w2, w3 = tl.philox(tl.load(keys + row), at, zero + draw, zero, zero)
    if NORMAL:
        x0, x1 = _pair(w0, w1)
        x2, x3 = _pair(w2, w3)
    else:
        x0, x1, x2, x3 = _uniform(w0), _uniform(w1), _uniform(w2), _uniform(w3)
    start, inside = out + row * count, at < groups
    tl.store(start + at, x0, mask=inside & (at < count))
    tl.store(start + groups + at, x1, mask=inside & (groups + at < count))
    tl.store(start + 2 * groups + at, x2, mask=inside & (2 * groups + at < count))
    tl.store(start + 3 * groups + at, x3, mask=inside & (3 * groups + at < count))


@triton.jit
def _uniform(word):
    return (word >> 8).to(tl.float32) * 5.9604644775390625e-08  # 2^-24


@triton.jit
def _pair(first, second):
    radius = tl.sqrt(
        -2.0 * tl.log(first.to(tl.float32) * 2.3283064365386963e-10 + 1.1641532182693481e-10)
    )
    angle = second.to(tl.float32) * 1.4629180792671596e-09  # 2 pi 2^-32
    return radius * tl.cos(angle), radius * tl.sin(angle)


def numbers(keys: Tensor, draw: int, count: int, normal: bool) -> Tensor:
    """``[b, count]``, arguments as of ``formula``. One launch."""
    out = torch.empty(len(keys), count, device=keys.device)
    if out.numel():
        grid = (len(keys), triton.cdiv(triton.cdiv(count, 4), BLOCK))
        _draw[grid](keys, out, draw, count, NORMAL=normal, BLOCK=BLOCK)
    return out


def agrees_with_formula(device: str = "cuda", tolerance: float = 1e-4) -> bool:
    """Whether the kernel gives the numbers of the formula, up to rounding."""
    keys = torch.tensor([1, -(1 << 40), (1 << 62) + 5], device=device)
    return all(
        torch.allclose(numbers(keys, draw, count, normal), formula(keys, draw, count, normal),
                       rtol=tolerance, atol=tolerance)
        for draw, count in ((0, 5), (16, 1999))
        for normal in (False, True)
    )  # fmt: skip
