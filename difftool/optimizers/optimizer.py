"""A chosen optimizer with its settings, and the learning rate as a function of examples seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .options import OptimizerOptions

MakeOptimizer = Callable[[nn.Module, Any, torch.dtype], torch.optim.Optimizer]
"""``(module, options, precision)``: an optimizer of all parameters of the module that require a
gradient.

Its groups start at ``options.lr``, and training sets the ``lr`` of every group before every step.
``precision`` is the type in which the network computes, which an optimizer may use too. Its
``state_dict`` must hold its whole state, so that a run resumes bit for bit.
"""


@dataclass(frozen=True, slots=True)
class OptimizerFactory:
    """A chosen optimizer and its settings.

    Attributes:
        make: the optimizer's function.
        options: its settings.
    """

    make: MakeOptimizer
    options: OptimizerOptions

    def __call__(
        self, module: nn.Module, precision: torch.dtype = torch.float32
    ) -> torch.optim.Optimizer:
        """The optimizer for the module's parameters."""
        return self.make(module, self.options, precision)

    def rate(self, seen: int, total: int) -> float:
        """The learning rate after ``seen`` of ``total`` examples."""
        return learning_rate(self.options, seen, total)


def decay_groups(
    module: nn.Module, weight_decay: float, without: Collection[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Parameter groups: matrices and kernels with weight decay, one-dimensional parameters without.

    Args:
        without: parameters to leave out, which have a group of their own.
    """
    elsewhere = {id(p) for p in without}
    trained = [p for p in module.parameters() if p.requires_grad and id(p) not in elsewhere]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def learning_rate(options: OptimizerOptions, seen: int, total: int) -> float:
    """The learning rate after ``seen`` of ``total`` examples.

    Linear warm-up, then one of: constant; cosine to 0 (Loshchilov & Hutter 2017, arXiv:1608.03983),
    once or in cycles (Sec. 3); linear to 0, likewise; or 1 / sqrt(max(seen / decay_start, 1)) (Karras et al. 2024, arXiv:2312.02696, Eq.
    67).
    """
    warm = min(1.0, (seen + 1) / options.warmup) if options.warmup else 1.0
    done = _decayed(options, seen, total)
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


def _decayed(options: OptimizerOptions, seen: int, total: int) -> float:
    """How much of the decay is over, from 0 to 1; of several in turn, of the present one."""
    if options.cycles == 1:
        return min(1.0, max(0.0, (seen - options.warmup) / max(1, total - options.warmup)))
    place = options.cycles * seen / max(1, total)
    return place % 1 if place < options.cycles else 1.0
