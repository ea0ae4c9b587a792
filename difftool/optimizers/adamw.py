"""AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

from __future__ import annotations

import torch
from torch import nn

from .optimizer import decay_groups
from .options import AdamwOptions


def adamw(
    module: nn.Module, options: AdamwOptions, precision: torch.dtype = torch.float32
) -> torch.optim.Optimizer:
    """PyTorch's AdamW, fused where the device supports it.

    Its state always has the precision of the parameters.
    """
    del precision
    groups = decay_groups(module, options.weight_decay)
    fused = next(module.parameters()).device.type in ("cpu", "cuda", "mps")
    return torch.optim.AdamW(
        groups, lr=options.lr, betas=options.betas, eps=options.eps, fused=fused
    )
