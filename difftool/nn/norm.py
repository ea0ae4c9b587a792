"""Group normalisation (Wu & He 2018, arXiv:1803.08494), FiLM (Perez et al. 2018, arXiv:1709.07871)
and SiLU, fused.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

fused_norm: Callable[..., Tensor] | None = None
"""The kernels of ``difftool.nn.fused_norm``, for inputs on a CUDA device.

None until the engine prepares such a device (``difftool.engine.device``), and where Triton, which
compiles them, is not installed.
"""


class GroupNorm(nn.Module):
    """Normalise groups of channels, then scale and shift by learned constants and by FiLM.

    Padding does not enter the statistics.

    Args:
        channels: split into at most 32 groups of at least 4 channels.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups = max(
            n for n in range(1, 33) if channels % n == 0 and (n == 1 or channels // n >= 4)
        )
        self.eps = eps
        self.silu = False
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, film: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """``x [b, c, ...]``, ``film [b, 2c]`` (scale, shift), ``mask [b, 1, ...]`` -> like ``x``.

        Values on padding are arbitrary.
        """
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self._is_fused(x):
            assert fused_norm is not None
            return fused_norm(x, self.groups, weight, bias, self.eps, film, mask, self.silu)
        if film is not None:
            scale, shift = film.to(weight.dtype).chunk(2, 1)
            weight, bias = weight * (1 + scale), torch.addcmul(shift, bias, 1 + scale)
        if mask is None:
            return group_norm(x, self.groups, weight, bias, self.eps)
        return masked_group_norm(x, self.groups, weight, bias, self.eps, mask)

    def _is_fused(self, x: Tensor) -> bool:
        """Whether one kernel does it all. The kernels have no derivative in forward mode."""
        return (
            fused_norm is not None
            and x.is_cuda
            and x.is_floating_point()
            and not torch._C._are_functorch_transforms_active()
        )


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """PyTorch's kernel, with ``weight`` and ``bias`` ``[c]`` or ``[b, c]``.

    It computes in the precision of ``x``, with sums in float32. A weight per example costs nothing:
    the batch is folded into the channels, because no group spans two examples.
    """
    b, c = x.shape[:2]
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    with torch.autocast(x.device.type, enabled=False):
        if weight.ndim == 1:
            return F.group_norm(x, groups, weight, bias, eps)
        if x.is_contiguous():
            return F.group_norm(
                x.view(1, b * c, *x.shape[2:]), b * groups, weight.flatten(), bias.flatten(), eps
            ).view_as(x)
        spread = (b, c, *(1,) * (x.ndim - 2))  # channels last
        return torch.addcmul(
            bias.view(spread), F.group_norm(x, groups, eps=eps), weight.view(spread)
        )


def masked_group_norm(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, mask: Tensor
) -> Tensor:
    """Like ``group_norm``, with statistics over real entries only, in float32."""
    shape = x.shape
    real = mask.to(torch.float32).expand(-1, 1, *shape[2:]).flatten(1).unsqueeze(1)
    x = x.float().flatten(2).unflatten(1, (groups, -1))
    count = real.sum(2).mul(x.shape[2]).clamp(min=1)[..., None, None]
    real = real.unsqueeze(1)
    centred = (x - (x * real).sum((2, 3), keepdim=True) / count) * real
    variance = centred.square().sum((2, 3), keepdim=True) / count
    y = (centred * torch.rsqrt(variance + eps)).flatten(1, 2)
    return (y * weight.reshape(-1, shape[1], 1) + bias.reshape(-1, shape[1], 1)).view(shape)


class NormActivation(GroupNorm):
    """``silu(norm(x))`` with zeros on padding: the input of a convolution in a residual block."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__(channels, eps)
        self.silu = True

    def forward(self, x: Tensor, film: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if self._is_fused(x):
            return super().forward(x, film, mask)
        dtype = x.dtype
        y = F.silu(super().forward(x, film, mask))
        return y if mask is None else (y * mask.to(y.dtype)).to(dtype)
