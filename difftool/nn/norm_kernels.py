"""Triton kernels of group normalisation with FiLM and SiLU.

For an example b, a group g of c/G channels and N values, with mean m and r = 1 / sqrt(var + eps):

    z  = (x - m) r W + V,   W = weight (1 + scale),   V = bias (1 + scale) + shift
    y  = silu(z)
    dx = r (W dz - sum_g(W dz) / N - xhat sum_g(W dz xhat) / N),   xhat = (x - m) r

Each pass over the data sums per channel, in float32; a small kernel turns the sums into two numbers
per channel, so that what is applied to the data is affine: z = A x + B and dx = A dz + C + D x.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _load_tile(x, b, p, c, P, C, stride_b, stride_c, stride_p):
    """Values at positions ``p`` and channels ``c`` of example ``b``, as float32, zero outside."""
    inside = (p[:, None] < P) & (c[None, :] < C)
    at = b.to(tl.int64) * stride_b + c[None, :] * stride_c + p[:, None] * stride_p
    return tl.load(x + at, mask=inside, other=0.0).to(tl.float32), at, inside


@triton.jit
def _real(mask, b, p, P, stride_mask, HAS_MASK: tl.constexpr):
    """1 at real positions and 0 at padding."""
    if HAS_MASK:
        return tl.load(mask + b * stride_mask + p, mask=p < P, other=0).to(tl.float32)
    return tl.where(p < P, 1.0, 0.0)


@triton.jit
def sum_inputs(
    x, mask, sums, counts, P, C, parts, part_size, stride_b, stride_c, stride_p, stride_mask,
    HAS_MASK: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Sums of (x - pivot) and its square per channel; the pivot, the first value, avoids
    cancellation where the mean is large.
    """
    b, part = tl.program_id(0), tl.program_id(1)
    c = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    pivot = tl.load(x + b.to(tl.int64) * stride_b + c * stride_c, mask=c < C, other=0.0)
    pivot = pivot.to(tl.float32)[None, :]
    first = tl.zeros([BLOCK_C], tl.float32)
    second = tl.zeros([BLOCK_C], tl.float32)
    count = tl.zeros([BLOCK_P], tl.float32)
    for start in range(part * part_size, tl.minimum((part + 1) * part_size, P), BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        tile, _, _ = _load_tile(x, b, p, c, P, C, stride_b, stride_c, stride_p)
        real = _real(mask, b, p, P, stride_mask, HAS_MASK)
        centred = (tile - pivot) * real[:, None]
        first += tl.sum(centred, 0)
        second += tl.sum(centred * centred, 0)
        count += real
    at = sums + ((b * parts + part) * 2) * C + c
    tl.store(at, first, mask=c < C)
    tl.store(at + C, second, mask=c < C)
    if tl.program_id(2) == 0:
        tl.store(counts + b * parts + part, tl.sum(count, 0))


@triton.jit
def forward_coefficients(
    x, sums, counts, weight, bias, film, statistics, affine, C, width, parts, stride_b, stride_c,
    eps, HAS_FILM: tl.constexpr, BLOCK_S: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """Mean and r of a group, and A and B of its channels."""
    b, g, groups = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    s, w = tl.arange(0, BLOCK_S), tl.arange(0, BLOCK_W)
    c = g * width + w
    mine = w < width
    both = (s[:, None] < parts) & mine[None, :]
    at = sums + (b * parts + s[:, None]) * 2 * C + c[None, :]
    first = tl.sum(tl.load(at, mask=both, other=0.0), 0)
    second = tl.sum(tl.load(at + C, mask=both, other=0.0), 0)
    count = tl.sum(tl.load(counts + b * parts + s, mask=s < parts, other=0.0), 0)
    count = tl.maximum(count, 1.0)
    pivot = tl.load(x + b.to(tl.int64) * stride_b + c * stride_c, mask=mine, other=0.0)
    means = pivot.to(tl.float32) + first / count  # of each channel
    mean = tl.sum(tl.where(mine, means, 0.0), 0) / width
    squares = second - first * first / count + count * (means - mean) * (means - mean)
    variance = tl.sum(tl.where(mine, squares, 0.0), 0) / (count * width)
    r = 1 / tl.sqrt_rn(tl.maximum(variance, 0.0) + eps)
    W = tl.load(weight + c, mask=mine, other=0.0).to(tl.float32)
    V = tl.load(bias + c, mask=mine, other=0.0).to(tl.float32)
    if HAS_FILM:
        scale = 1 + tl.load(film + b * 2 * C + c, mask=mine, other=0.0).to(tl.float32)
        shift = tl.load(film + b * 2 * C + C + c, mask=mine, other=0.0).to(tl.float32)
        W, V = W * scale, V * scale + shift
    tl.store(affine + b * 2 * C + c, r * W, mask=mine)
    tl.store(affine + b * 2 * C + C + c, V - mean * r * W, mask=mine)
    group = statistics + (b * groups + g) * 3
    tl.store(group, mean)
    tl.store(group + 1, r)
    tl.store(group + 2, count * width)


@triton.jit
def apply_forward(
    x, mask, affine, y, P, C, part_size, stride_b, stride_c, stride_p, stride_mask,
    HAS_MASK: tl.constexpr, SILU: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    b, part = tl.program_id(0), tl.program_id(1)
    c = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    A = tl.load(affine + b * 2 * C + c, mask=c < C, other=0.0)[None, :]
    B = tl.load(affine + b * 2 * C + C + c, mask=c < C, other=0.0)[None, :]
    for start in range(part * part_size, tl.minimum((part + 1) * part_size, P), BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        tile, at, inside = _load_tile(x, b, p, c, P, C, stride_b, stride_c, stride_p)
        z = tile * A + B
        if SILU:
            z = z * tl.sigmoid(z)
        if HAS_MASK:
            z = z * _real(mask, b, p, P, stride_mask, HAS_MASK)[:, None]
        tl.store(y + at, z.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _gradient_of_z(tile, dy, A, B, real, SILU: tl.constexpr):
    if SILU:
        z = tile * A + B
        s = tl.sigmoid(z)
        dy = dy * s * (1 + z * (1 - s))
    return dy * real[:, None]


@triton.jit
def sum_gradients(
    x, dy, mask, affine, statistics, sums, P, C, width, groups, parts, part_size,
    stride_b, stride_c, stride_p, stride_mask,
    HAS_MASK: tl.constexpr, SILU: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Sums of dz and dz xhat per channel."""
    b, part = tl.program_id(0), tl.program_id(1)
    c = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    A = tl.load(affine + b * 2 * C + c, mask=c < C, other=0.0)[None, :]
    B = tl.load(affine + b * 2 * C + C + c, mask=c < C, other=0.0)[None, :]
    group = statistics + (b * groups + c // width) * 3
    mean = tl.load(group, mask=c < C, other=0.0)[None, :]
    r = tl.load(group + 1, mask=c < C, other=0.0)
    first = tl.zeros([BLOCK_C], tl.float32)
    second = tl.zeros([BLOCK_C], tl.float32)
    for start in range(part * part_size, tl.minimum((part + 1) * part_size, P), BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        tile, _, _ = _load_tile(x, b, p, c, P, C, stride_b, stride_c, stride_p)
        gradient, _, _ = _load_tile(dy, b, p, c, P, C, stride_b, stride_c, stride_p)
        real = _real(mask, b, p, P, stride_mask, HAS_MASK)
        dz = _gradient_of_z(tile, gradient, A, B, real, SILU)
        first += tl.sum(dz, 0)
        second += tl.sum(dz * (tile - mean), 0)
    at = sums + ((b * parts + part) * 2) * C + c
    tl.store(at, first, mask=c < C)
    tl.store(at + C, second * r, mask=c < C)


@triton.jit
def backward_coefficients(
    sums, weight, bias, film, statistics, slopes, dfilm, dconstants, C, width, parts,
    HAS_FILM: tl.constexpr, BLOCK_S: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """C and D of the channels of a group; gradients of film, and of weight and bias per example."""
    b, g, groups = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    s, w = tl.arange(0, BLOCK_S), tl.arange(0, BLOCK_W)
    c = g * width + w
    mine = w < width
    both = (s[:, None] < parts) & mine[None, :]
    at = sums + (b * parts + s[:, None]) * 2 * C + c[None, :]
    dV = tl.sum(tl.load(at, mask=both, other=0.0), 0)
    dW = tl.sum(tl.load(at + C, mask=both, other=0.0), 0)
    constant = tl.load(weight + c, mask=mine, other=0.0).to(tl.float32)
    W, dweight, dbias = constant, dW, dV
    if HAS_FILM:
        offset = tl.load(bias + c, mask=mine, other=0.0).to(tl.float32)
        scale = 1 + tl.load(film + b * 2 * C + c, mask=mine, other=0.0).to(tl.float32)
        W, dweight, dbias = constant * scale, dW * scale, dV * scale
        dscale = dW * constant + dV * offset
        tl.store(dfilm + b * 2 * C + c, dscale.to(dfilm.dtype.element_ty), mask=mine)
        tl.store(dfilm + b * 2 * C + C + c, dV.to(dfilm.dtype.element_ty), mask=mine)
    tl.store(dconstants + b * 2 * C + c, dweight, mask=mine)
    tl.store(dconstants + b * 2 * C + C + c, dbias, mask=mine)
    group = statistics + (b * groups + g) * 3
    mean, r, count = tl.load(group), tl.load(group + 1), tl.load(group + 2)
    along = tl.sum(W * dV, 0) / count
    across = tl.sum(W * dW, 0) / count
    D = -r * r * across
    tl.store(slopes + b * 2 * C + c, tl.zeros_like(W) - r * along - mean * D, mask=mine)
    tl.store(slopes + b * 2 * C + C + c, tl.zeros_like(W) + D, mask=mine)


@triton.jit
def apply_backward(
    x, dy, mask, affine, slopes, dx, P, C, part_size, stride_b, stride_c, stride_p, stride_mask,
    HAS_MASK: tl.constexpr, SILU: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    b, part = tl.program_id(0), tl.program_id(1)
    c = tl.program_id(2) * BLOCK_C + tl.arange(0, BLOCK_C)
    A = tl.load(affine + b * 2 * C + c, mask=c < C, other=0.0)[None, :]
    B = tl.load(affine + b * 2 * C + C + c, mask=c < C, other=0.0)[None, :]
    constant = tl.load(slopes + b * 2 * C + c, mask=c < C, other=0.0)[None, :]
    slope = tl.load(slopes + b * 2 * C + C + c, mask=c < C, other=0.0)[None, :]
    for start in range(part * part_size, tl.minimum((part + 1) * part_size, P), BLOCK_P):
        p = start + tl.arange(0, BLOCK_P)
        tile, at, inside = _load_tile(x, b, p, c, P, C, stride_b, stride_c, stride_p)
        gradient, _, _ = _load_tile(dy, b, p, c, P, C, stride_b, stride_c, stride_p)
        real = _real(mask, b, p, P, stride_mask, HAS_MASK)
        dz = _gradient_of_z(tile, gradient, A, B, real, SILU)
        value = (A * dz + constant + slope * tile) * real[:, None]
        tl.store(dx + at, value.to(dx.dtype.element_ty), mask=inside)
