"""Gradient checkpointing: a block's activations are recomputed in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from .backbone import Backbone


def recompute(network: Backbone, block: nn.Module, *inputs: Any) -> Any:
    """``block(*inputs)``, computed again in the backward pass if ``network.checkpointing`` is set.

    Chen et al. 2016, arXiv:1604.06174.
    """
    if network.checkpointing and torch.is_grad_enabled():
        return checkpoint(block, *inputs, use_reentrant=False)
    return block(*inputs)
