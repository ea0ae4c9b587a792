"""The sequence of tokens: those of the example, after tokens that have no position."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backbone import Signals
from ..layers import linear


class Prefix(nn.Module):
    """Registers and conditions as tokens ``[b, p, width]`` before those of the example.

    Darcet et al. 2023, arXiv:2309.16588; conditions in context as in Peebles & Xie 2023, sec. 3.2.

    Args:
        vector, tokens: widths of the signals that enter here; 0 for those that do not.
    """

    def __init__(self, width: int, registers: int = 0, vector: int = 0, tokens: int = 0) -> None:
        super().__init__()
        self.registers = nn.Parameter(0.02 * torch.randn(registers, width)) if registers else None
        self.vector = linear(vector, width) if vector else None
        self.tokens = linear(tokens, width) if tokens else None

    def forward(self, signals: Signals, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The tokens for examples ``x [b, n, width]``, and which are real; None for all or none."""
        parts = list[Tensor]()
        if self.registers is not None:
            parts.append(self.registers.to(x.dtype).expand(len(x), -1, -1))
        if self.vector is not None and signals.vector is not None:
            parts.append(self.vector(signals.vector).unsqueeze(1).to(x.dtype))
        mask = None
        if self.tokens is not None and signals.tokens is not None:
            if signals.token_mask is not None:
                known = sum(part.shape[1] for part in parts)
                mask = nn.functional.pad(signals.token_mask, (known, 0), value=True)
            parts.append(self.tokens(signals.tokens).to(x.dtype))
        return (torch.cat(parts, 1) if parts else None), mask


def lengthened(x: Tensor, prefix: Tensor | None) -> Tensor:
    """The prefix, then the tokens of the example."""
    return x if prefix is None else torch.cat((prefix, x), 1)


def real_tokens(
    x: Tensor, mask: Tensor | None, prefix: Tensor | None, prefix_mask: Tensor | None
) -> Tensor | None:
    """``[b, p + n]``: which tokens of the whole sequence are real; None if all are.

    Of an example without any real token, all count, because a softmax over nothing has no value.
    """
    if mask is None and prefix_mask is None:
        return None
    real = x.new_ones(x.shape[:2], dtype=torch.bool) if mask is None else mask.expand(len(x), -1)
    if prefix is not None:
        whole = prefix.new_ones(prefix.shape[:2], dtype=torch.bool)
        real = torch.cat((whole if prefix_mask is None else prefix_mask, real), 1)
    return real | ~real.any(-1, keepdim=True)
