"""The optimizer, and the learning rate as a function of the examples seen."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..settings import OptimizerOptions
from .muon import Muon, matrices_of


def make_optimizer(model: nn.Module, options: OptimizerOptions, precision: torch.dtype = torch.float32) -> torch.optim.Optimizer:
    """Fused AdamW, or Muon with it; weight decay on matrices and kernels, none on biases, gains and embeddings of one dimension.

    Args:
        precision: what Muon's orthogonalisation computes in.
    """
    learnt = [p for p in model.parameters() if p.requires_grad]
    matrices = matrices_of(model) if options.method == "muon" else []
    theirs = {id(p) for p in matrices}
    others = [p for p in learnt if id(p) not in theirs]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    if matrices:
        groups.insert(0, {"params": matrices, "weight_decay": options.weight_decay, "matrices": True})
        return Muon(groups, options.lr, options.momentum, options.betas, options.eps, precision)
    fused = next(model.parameters()).device.type in ("cpu", "cuda", "mps")
    return torch.optim.AdamW(groups, lr=options.lr, betas=options.betas, eps=options.eps, fused=fused)


def learning_rate(options: OptimizerOptions, seen: int, total: int) -> float:
    """The learning rate after ``seen`` of ``total`` examples.

    Linear warm-up, then: constant; cosine to 0 (Loshchilov & Hutter 2017, arXiv:1608.03983); linear to 0; or
    1 / sqrt(max(seen / decay_start, 1)) (Karras et al. 2024, arXiv:2312.02696, Eq. 67).
    """
    warm = min(1.0, (seen + 1) / options.warmup) if options.warmup else 1.0
    done = min(1.0, max(0.0, (seen - options.warmup) / max(1, total - options.warmup)))
    match options.decay:
        case "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * done))
        case "linear":
            factor = 1 - done
        case "inverse-sqrt":
            factor = 1 / math.sqrt(max(seen / max(1, options.decay_start), 1.0))
        case _:
            factor = 1.0
    return options.lr * warm * factor
