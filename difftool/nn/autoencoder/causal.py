"""Convolutions over space and time that see no later time."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class CausalConv3d(nn.Conv3d):
    """A convolution over ``[b, c, t, h, w]`` whose output at time t sees times up to t.

    The kernel is moved into the past: all padding in time is before the first frame, which is
    repeated there, as for a video that stood still (Yu et al. 2023, arXiv:2310.05737, sec. 3.2).
    A stride of s keeps the times 0, s, 2s, ...
    """

    def forward(self, x: Tensor) -> Tensor:
        before = self.kernel_size[0] - 1
        if before:
            x = F.pad(x, (0, 0, 0, 0, before, 0), mode="replicate")
        padding = (0, *self.padding[1:])
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


def make_causal(module: nn.Module) -> None:
    """Replace each three-dimensional convolution inside ``module`` by a causal one, in place.

    The weights stay the same.
    """
    for name, child in module.named_children():
        if type(child) is nn.Conv3d:
            setattr(module, name, _causal(child))
        else:
            make_causal(child)


def _causal(layer: nn.Conv3d) -> CausalConv3d:
    found = CausalConv3d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]  # three sizes
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        bias=layer.bias is not None,
    )
    found.load_state_dict(layer.state_dict())
    return found
