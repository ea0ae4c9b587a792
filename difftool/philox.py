"""Random numbers that are a function of a key and a place: Philox4x32-10 (Salmon et al. 2011,
doi:10.1145/2063384.2063405, Sec. 3).

A generator has a state, so a batch of streams costs one launch for each of them. A counter-based
one has none: all streams of a batch are computed by one operation, element by element, and each is
the same whatever its neighbours are. On a GPU ``kernel`` computes it in one launch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WORD = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10

Words = tuple[Tensor, Tensor, Tensor, Tensor]
"""Four tensors of 32 random bits in each number, as int64."""

kernel: Callable[[Tensor, int, int, bool], Tensor] | None = None
"""The same as ``formula`` in one launch, where the device has one (``difftool.engine.device``)."""


def drawn(keys: Tensor, draw: int, shape: Sequence[int], normal: bool) -> Tensor:
    """``[b, *shape]`` float32: unit normal numbers, or uniform ones in [0, 1).

    Args:
        keys: ``[b]`` int64, one for each stream.
        draw: which draw of the streams it is; each has numbers of its own.
    """
    count = math.prod(shape)
    make = formula if kernel is None or not keys.is_cuda else kernel
    return make(keys, draw, count, normal).view(len(keys), *shape)


def formula(keys: Tensor, draw: int, count: int, normal: bool) -> Tensor:
    """``[b, count]``. Place i is word i // g of the counter i % g, for g = ceil(count / 4)."""
    groups = -(-count // 4)
    places = torch.arange(groups, device=keys.device).expand(len(keys), groups)
    words = philox(keys[:, None], (places, torch.full_like(places, draw & WORD), 0, 0))
    made = _normal(words) if normal else [_uniform(word) for word in words]
    return torch.cat(list(made), 1)[:, :count].contiguous()


def philox(keys: Tensor, counter: Sequence[Tensor | int]) -> Words:
    """The words of a counter of four words under keys of 64 bits, which broadcast."""
    low, high = keys & WORD, keys >> 32 & WORD
    c0, c1, c2, c3 = (word + torch.zeros_like(low) for word in counter)
    for _ in range(ROUNDS):
        high_a, low_a = _product(MULTIPLIERS[0], c0)
        high_b, low_b = _product(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high_b ^ c1 ^ low, low_b, high_a ^ c3 ^ high, low_a
        low, high = low + WEYL[0] & WORD, high + WEYL[1] & WORD
    return c0, c1, c2, c3


def _product(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """The upper and the lower word. int64 wraps around, which keeps all 64 bits."""
    product = b * a
    return product >> 32 & WORD, product & WORD


def _uniform(word: Tensor) -> Tensor:
    """In [0, 1), in steps of 2^-24, which float32 holds exactly."""
    return (word >> 8).float() * 2**-24


def _normal(words: Words) -> tuple[Tensor, ...]:
    """Pairs of normal numbers from pairs of uniform ones (Box & Muller 1958)."""
    made = list[Tensor]()
    for first, second in (words[:2], words[2:]):
        radius = (-2 * (first.float() * 2**-32 + 2**-33).log()).sqrt()
        angle = second.float() * (2 * math.pi * 2**-32)
        made += [radius * angle.cos(), radius * angle.sin()]
    return tuple(made)
