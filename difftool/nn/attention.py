"""Attention over the positions of an example, or from them to a sequence of tokens.

Vaswani et al. 2017, arXiv:1706.03762.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import linear
from .norm import GroupNorm

identity_attention: ContextVar[bool] = ContextVar("identity_attention", default=False)
"""Whether ``attend`` gives each position its own value (Ahn et al. 2024, arXiv:2403.17377)."""


def is_self_attention(module: nn.Module) -> bool:
    """Whether a layer attends from the positions of an example to themselves.

    Layers of that kind have the attribute ``self_attention``.
    """
    return bool(getattr(module, "self_attention", False))


class Attention(nn.Module, ABC):
    """A residual attention layer; its last layer starts at zero.

    Args:
        head_width: channels per head; slightly more where it does not divide ``channels``.
    """

    def __init__(self, channels: int, head_width: int) -> None:
        super().__init__()
        self.heads = head_count(channels, head_width)
        self.norm = GroupNorm(channels)
        self.out = linear(channels, channels, gain=0)

    def forward(
        self,
        x: Tensor,
        tokens: Tensor | None,
        mask: Tensor | None,
        token_mask: Tensor | None = None,
    ) -> Tensor:
        """``x [b, c, ...]`` -> like ``x``, with arbitrary values on padding.

        Args:
            tokens: ``[b, n, tokens]``; only cross-attention uses them.
            mask: ``[b, 1, ...]``, True on real positions.
            token_mask: ``[b, n]``, True for real tokens.
        """
        h = self.norm(x, mask=mask).to(x.dtype).flatten(2).transpose(1, 2)
        query, key, value = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in self.project(h, tokens)
        )
        h = attend(query, key, value, self.seen(mask, token_mask)).transpose(1, 2).flatten(2)
        return x + self.out(h).transpose(1, 2).reshape(x.shape)

    @abstractmethod
    def project(self, h: Tensor, tokens: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """``h [b, n, c]`` -> query ``[b, n, c]``, key and value ``[b, m, c]``."""

    @abstractmethod
    def seen(self, mask: Tensor | None, token_mask: Tensor | None) -> Tensor | None:
        """``[b, 1, 1, m]``, True for the keys that take part; None for all of them."""


class SelfAttention(Attention):
    """Each position attends to all positions."""

    self_attention = True

    def __init__(self, channels: int, head_width: int) -> None:
        super().__init__(channels, head_width)
        self.query_key_value = linear(channels, 3 * channels)

    def project(self, h: Tensor, tokens: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.query_key_value(h).chunk(3, -1)
        return query, key, value

    def seen(self, mask: Tensor | None, token_mask: Tensor | None) -> Tensor | None:
        return None if mask is None else mask.flatten(2).bool().unsqueeze(1)


class CrossAttention(Attention):
    """Each position attends to the tokens.

    Args:
        tokens: width of a token.
    """

    def __init__(self, channels: int, head_width: int, tokens: int) -> None:
        super().__init__(channels, head_width)
        self.query = linear(channels, channels)
        self.key_value = linear(tokens, 2 * channels)

    def project(self, h: Tensor, tokens: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        key, value = self.key_value(tokens).chunk(2, -1)
        return self.query(h), key, value

    def seen(self, mask: Tensor | None, token_mask: Tensor | None) -> Tensor | None:
        return None if token_mask is None else token_mask[:, None, None]


def head_count(channels: int, head_width: int) -> int:
    """The largest number of heads, at least one, that divides ``channels`` and keeps to
    ``head_width``.
    """
    return max(n for n in range(1, max(1, channels // head_width) + 1) if channels % n == 0)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(query key^T / sqrt(d) + mask) value, ``[b, heads, n, d]``.

    A float mask is added to the scores; a boolean one is True where a query attends to a key. In
    half precision on a CPU, PyTorch's fused kernel is 2.5 to 6 times slower than two matrix
    products.
    """
    if identity_attention.get():
        return value
    if (
        query.device.type == "cpu"
        and query.dtype != torch.float32
        and query.shape[-2] * key.shape[-2] <= 2**20
    ):
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
        if mask is not None and mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        elif mask is not None:
            scores = scores + mask
        return scores.softmax(-1, dtype=scores.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
