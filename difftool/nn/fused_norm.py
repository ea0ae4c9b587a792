"""Group normalisation, FiLM and SiLU on a GPU as one operation, by Triton kernels.

The formula is ``difftool.nn.norm.NormActivation``; the kernels (``norm_kernels``) read the input
twice and write the output once, in whatever memory format the input has. PyTorch's own kernel
copies channels-last inputs to the plain format and back, which took a third of the GPU's time in a
training step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from .norm_kernels import (
    apply_backward,
    apply_forward,
    backward_coefficients,
    forward_coefficients,
    sum_gradients,
    sum_inputs,
)

PROGRAMS = 1056
"""Programs of a pass that keep a large GPU busy: eight for each of its 132 multiprocessors."""
MOST_PARTS = 64
"""Most parts into which the positions of one example are split."""


class Plan(NamedTuple):
    """How the positions and channels of ``[b, C, ...]`` are split among programs."""

    grid: tuple[int, int, int]
    layout: tuple[int, int, int]  # strides of example, channel and position
    positions: int
    parts: int
    part_size: int
    blocks: dict[str, int]


def _plan(x: Tensor) -> Plan:
    b, channels = x.shape[:2]
    positions = x[0, 0].numel()
    last = x.ndim > 2 and x.stride(1) == 1 and channels > 1
    if last:
        block_c = min(triton.next_power_of_2(channels), 1024)
        block_p = max(1, 4096 // block_c)
    else:
        block_c = min(triton.next_power_of_2(channels), 4)
        block_p = min(triton.next_power_of_2(positions), 1024)
    tiles = triton.cdiv(channels, block_c)
    most = min(MOST_PARTS, triton.cdiv(positions, block_p))
    parts = max(1, min(most, triton.cdiv(PROGRAMS, b * tiles)))
    part_size = triton.cdiv(triton.cdiv(positions, parts), block_p) * block_p
    parts = triton.cdiv(positions, part_size)
    layout = (x.stride(0), 1, channels) if last else (x.stride(0), positions, 1)
    return Plan(
        (b, parts, tiles), layout, positions, parts, part_size,
        {"BLOCK_P": block_p, "BLOCK_C": block_c},
    )  # fmt: skip


def _dense(x: Tensor) -> Tensor:
    """``x`` with its positions in one run of memory, either format."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if x.ndim in formats and x.is_contiguous(memory_format=formats[x.ndim]):
        return x
    return x.contiguous()


def _masking(mask: Tensor | None, x: Tensor) -> tuple[Tensor, int, dict[str, bool]]:
    """The mask ``[b, P]`` of bytes, its stride between examples, and whether there is one."""
    if mask is None:
        return x, 0, {"HAS_MASK": False}
    flat = mask.expand(-1, 1, *x.shape[2:]).flatten(1).contiguous().view(torch.uint8)
    return flat, 0 if len(flat) == 1 else flat.stride(0), {"HAS_MASK": True}


@torch.library.custom_op("difftool::fused_norm", mutates_args=())
def _forward(
    x: Tensor, weight: Tensor, bias: Tensor, film: Tensor | None, mask: Tensor | None,
    groups: int, eps: float, silu: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    x, film = _dense(x), None if film is None else film.contiguous()
    b, channels = x.shape[:2]
    plan, width = _plan(x), channels // groups
    flat, stride_mask, masked = _masking(mask, x)
    new = x.new_empty
    sums = new((b, plan.parts, 2, channels), dtype=torch.float32)
    counts = new((b, plan.parts), dtype=torch.float32)
    statistics, affine = (
        new(shape, dtype=torch.float32) for shape in ((b, groups, 3), (b, 2, channels))
    )
    y = torch.empty_like(x)
    sum_inputs[plan.grid](
        x, flat, sums, counts, plan.positions, channels, plan.parts, plan.part_size,
        *plan.layout, stride_mask, **masked, **plan.blocks,
    )  # fmt: skip
    forward_coefficients[(b, groups)](
        x, sums, counts, weight, bias, weight if film is None else film, statistics, affine,
        channels, width, plan.parts, *plan.layout[:2], eps, HAS_FILM=film is not None,
        **_reduction(plan, width),
    )  # fmt: skip
    apply_forward[plan.grid](
        x, flat, affine, y, plan.positions, channels, plan.part_size, *plan.layout, stride_mask,
        SILU=silu, **masked, **plan.blocks,
    )  # fmt: skip
    return y, statistics, affine


@_forward.register_fake
def _(
    x: Tensor, weight: Tensor, bias: Tensor, film: Tensor | None, mask: Tensor | None,
    groups: int, eps: float, silu: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    b, channels = x.shape[:2]
    new = x.new_empty
    return (
        torch.empty_like(_dense(x)),
        new((b, groups, 3), dtype=torch.float32),
        new((b, 2, channels), dtype=torch.float32),
    )


@torch.library.custom_op("difftool::fused_norm_backward", mutates_args=())
def _backward(
    dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor, film: Tensor | None, mask: Tensor | None,
    statistics: Tensor, affine: Tensor, silu: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    x, film = _dense(x), None if film is None else film.contiguous()
    b, channels = x.shape[:2]
    plan, groups = _plan(x), statistics.shape[1]
    width = channels // groups
    flat, stride_mask, masked = _masking(mask, x)
    dx = torch.empty_like(x)
    dy = dy if dy.stride() == x.stride() else torch.empty_like(x, dtype=dy.dtype).copy_(dy)
    sums = x.new_empty((b, plan.parts, 2, channels), dtype=torch.float32)
    slopes, dconstants = torch.empty_like(affine), torch.empty_like(affine)
    dfilm = torch.empty_like(film) if film is not None else x.new_empty(0)
    sum_gradients[plan.grid](
        x, dy, flat, affine, statistics, sums, plan.positions, channels, width, groups, plan.parts,
        plan.part_size, *plan.layout, stride_mask, SILU=silu, **masked, **plan.blocks,
    )  # fmt: skip
    backward_coefficients[(b, groups)](
        sums, weight, bias, weight if film is None else film, statistics, slopes, dfilm,
        dconstants, channels, width, plan.parts, HAS_FILM=film is not None,
        **_reduction(plan, width),
    )  # fmt: skip
    apply_backward[plan.grid](
        x, dy, flat, affine, slopes, dx, plan.positions, channels, plan.part_size, *plan.layout,
        stride_mask, SILU=silu, **masked, **plan.blocks,
    )  # fmt: skip
    return dx, dconstants.sum(0), dfilm


@_backward.register_fake
def _(
    dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor, film: Tensor | None, mask: Tensor | None,
    statistics: Tensor, affine: Tensor, silu: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    dfilm = torch.empty_like(film) if film is not None else x.new_empty(0)
    return torch.empty_like(_dense(x)), torch.empty_like(affine[0]), dfilm


def _reduction(plan: Plan, width: int) -> dict[str, int]:
    return {
        "BLOCK_S": triton.next_power_of_2(plan.parts),
        "BLOCK_W": triton.next_power_of_2(width),
    }


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, film, mask, _, _, silu = inputs
    _, statistics, affine = output
    ctx.save_for_backward(x, weight, bias, film, mask, statistics, affine)
    ctx.silu = silu


def _gradients(ctx: Any, dy: Tensor, *unused: Tensor | None) -> tuple[Tensor | None, ...]:
    x, weight, bias, film, mask, statistics, affine = ctx.saved_tensors
    dx, (dweight, dbias), dfilm = _backward(
        dy, x, weight, bias, film, mask, statistics, affine, ctx.silu
    )
    return (
        dx, dweight.to(weight.dtype), dbias.to(bias.dtype), None if film is None else dfilm,
        None, None, None, None,
    )  # fmt: skip


_forward.register_autograd(_gradients, setup_context=_save)


def fused_norm(
    x: Tensor,
    groups: int,
    weight: Tensor,
    bias: Tensor,
    eps: float,
    film: Tensor | None = None,
    mask: Tensor | None = None,
    silu: bool = False,
) -> Tensor:
    """``x [b, c, ...]`` -> like ``x``, in its precision and memory format, with zeros on padding.

    Args:
        weight, bias: ``[c]``.
        film: ``[b, 2c]``, scale and shift.
        mask: ``[b, 1, ...]``, True on real positions, which alone enter the statistics.
        silu: apply SiLU to the result.
    """
    return _forward(x, weight, bias, film, mask, groups, eps, silu)[0]


def agrees_with_formula(device: str = "cuda", tolerance: float = 1e-3) -> bool:
    """Whether the kernels give the values and gradients of PyTorch's formula, on a small example.

    Too little to tell of every shape, but enough to tell a compiler that miscompiles.
    """
    g = torch.Generator(device).manual_seed(0)
    x = torch.randn(2, 8, 4, 4, generator=g, device=device).to(memory_format=torch.channels_last)
    weight, bias, film, dy = (
        torch.randn(shape, generator=g, device=device) for shape in ((8,), (8,), (2, 16), x.shape)
    )
    inputs = [t.requires_grad_() for t in (x, weight, bias, film)]
    scale, shift = (t[..., None, None] for t in film.chunk(2, 1))
    plain = F.silu(F.group_norm(x, 2, weight, bias) * (1 + scale) + shift)
    fused = fused_norm(x, 2, weight, bias, 1e-5, film, None, True)
    found = [fused, *torch.autograd.grad(fused, inputs, dy)]
    expected = [plain, *torch.autograd.grad(plain, inputs, dy)]
    return all(
        bool((a - b).norm() <= tolerance * b.norm()) for a, b in zip(found, expected, strict=True)
    )
