"""Attention between tokens, and from them to the tokens of a condition."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ..attention import attend
from ..layers import linear
from .heads import attention, merge, queries_keys_values, split
from .norm import RMSNorm
from .packing import Packing


def heads_of(width: int, head_width: int) -> int:
    """The number of heads.

    Raises UsageError if they do not divide ``width`` or have an odd width, which rotary positions
    cannot turn.
    """
    heads = max(1, width // head_width)
    if width % heads or width // heads % 2:
        raise UsageError(
            f"A width of {width} does not split into heads of {head_width} channels. Set "
            "backbone.width to a multiple of backbone.head_width, which must be even."
        )
    return heads


class QKNorm(nn.Module):
    """Queries and keys with a root mean square of one and a learned scale, or as they are.

    Dehghani et al. 2023, arXiv:2302.05442, sec. 2.2.
    """

    def __init__(self, head_width: int, enabled: bool) -> None:
        super().__init__()
        self.query = RMSNorm(head_width, scale=True) if enabled else nn.Identity()
        self.key = RMSNorm(head_width, scale=True) if enabled else nn.Identity()

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return self.query(query), self.key(key)

    def scales(self) -> Tensor | None:
        """``[2, head_width]``, of queries and of keys; None for such as they are."""
        norms = [m for m in (self.query, self.key) if isinstance(m, RMSNorm)]
        scales: list[Tensor] = [m.weight for m in norms if m.weight is not None]
        return torch.stack(scales) if scales else None


class TokenAttention(nn.Module):
    """Each token attends to all tokens; neither residual nor normalised.

    Args:
        value_residual: values are a learned mixture with values of the first tokens (Zhou et al.
            2024, arXiv:2410.17897, Eq. 4, learned variant).
        gain: of the last layer; 0 for a branch that starts as nothing.
    """

    self_attention = True

    def __init__(
        self, width: int, heads: int, qk_norm: bool, value_residual: bool, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = linear(width, 3 * width)
        self.norm = QKNorm(width // heads, qk_norm)
        self.mixture = nn.Parameter(torch.tensor(0.5)) if value_residual else None
        self.out = linear(width, width, gain=gain)

    def forward(
        self,
        x: Tensor,
        turn: Tensor | None,
        first: Tensor | None,
        seen: Tensor | None,
        packing: Packing | None = None,
    ) -> Tensor:
        """``x [b, n, width]`` -> like ``x``.

        Args:
            turn: ``[..., n, head_width / 2, 2]``, rotary positions; None for none.
            first: ``[b, n, width]``, values of the first tokens.
            seen: see ``attend``: which keys take part, or what is added to the scores.
            packing: ``x`` is the packed sequence ``[1, N, width]`` of these examples.
        """
        joined, scales = self.query_key_value(x), self.norm.scales()
        if packing is None:
            return self.out(attention(joined, first, self.mixture, scales, turn, seen, self.heads))
        parts = queries_keys_values(joined, first, self.mixture, scales, turn, self.heads)
        return self.out(merge(packing.attend(*parts)))


class TokenCrossAttention(nn.Module):
    """Each token attends to the tokens of a condition; its last layer starts at zero.

    Args:
        tokens: width of a condition's token.
    """

    def __init__(self, width: int, heads: int, tokens: int, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = linear(width, width)
        self.key_value = linear(tokens, 2 * width)
        self.norm = QKNorm(width // heads, qk_norm)
        self.out = linear(width, width, gain=0)

    def forward(
        self, x: Tensor, tokens: Tensor, seen: Tensor | None, packing: Packing | None = None
    ) -> Tensor:
        """``x [b, n, width]``, ``tokens [b, m, tokens]`` -> like ``x``; see ``TokenAttention``."""
        key, value = self.key_value(tokens).chunk(2, -1)
        query, key, value = (split(t, self.heads) for t in (self.query(x), key, value))
        query, key = self.norm(query, key)
        if packing is not None:
            return self.out(merge(packing.attend_to(query, key, value, seen)))
        return self.out(merge(attend(query, key, value, seen)))


def keys(mask: Tensor | None) -> Tensor | None:
    """``[b, n]``, True for real tokens -> ``[b, 1, 1, n]`` for ``attend``."""
    return None if mask is None else mask[:, None, None]
