"""Packing: the real tokens of a batch as one sequence, without padding."""

from __future__ import annotations

from itertools import groupby

import torch
from torch import Tensor

from ..attention import attend


class Packing:
    """Which tokens of a batch are real, and how to do without the others.

    Dehghani et al. 2023, arXiv:2307.06304, Sec. 2.1: layers that treat each token alone run on one
    long sequence, and attention stays within each example. Examples of equal length are neighbours
    there, so that one call of attention serves them. The lengths are read on the host.

    Args:
        real: ``[b, n]``, True for real tokens, at least one in each example.

    Attributes:
        order: ``[b]``, the examples in the order of their lengths.
        example: ``[N]``, the place in that order of the example of each real token.
        runs: pairs of a length and how many examples have it, in that order.
    """

    def __init__(self, real: Tensor) -> None:
        self.real = real
        lengths = real.sum(1)
        self.order = lengths.argsort(stable=True)
        self.runs = tuple(
            (length, len(list(same))) for length, same in groupby(lengths[self.order].tolist())
        )
        places = torch.arange(real.numel(), device=real.device).view(real.shape)[self.order]
        self.index = places[real[self.order]]
        self.example = torch.arange(len(real), device=real.device).repeat_interleave(
            lengths[self.order]
        )

    def packed(self, x: Tensor) -> Tensor:
        """``[b, n, ...] -> [1, N, ...]``: the real tokens, of the shortest example first."""
        return x.flatten(0, 1).index_select(0, self.index).unsqueeze(0)

    def unpacked(self, x: Tensor) -> Tensor:
        """The inverse of ``packed``, with zeros for the other tokens."""
        whole = x.new_zeros(self.real.numel(), *x.shape[2:])
        return whole.index_copy(0, self.index, x[0]).view(*self.real.shape, *x.shape[2:])

    def spread(self, vectors: Tensor) -> Tensor:
        """``[b, 1, ...]``, one of each example in their order, ``-> [1, N, ...]``, one of each token."""
        return vectors[:, 0].index_select(0, self.example).unsqueeze(0)

    def turned(self, turn: Tensor) -> Tensor:
        """Rotary positions ``[n, ...]`` or ``[b, 1, n, ...]`` -> ``[N, ...]``, of the real tokens."""
        if turn.ndim == 3:
            return turn.index_select(0, self.index % self.real.shape[1])
        return turn[:, 0].flatten(0, 1).index_select(0, self.index)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """``attend`` within each example: ``[1, heads, N, d] -> [1, heads, N, d]``."""
        found, at = [], 0
        for length, count in self.runs:
            some = slice(at, at + length * count)
            q, k, v = (_cut(t[:, :, some], count) for t in (query, key, value))
            found.append(_joined(attend(q, k, v, None)))
            at = some.stop
        return torch.cat(found, 2)

    def attend_to(self, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
        """``attend`` from each example to its own tokens of a condition.

        Args:
            query: ``[1, heads, N, d]``.
            key, value: ``[b, heads, m, d]``, in the order of the examples.
            seen: ``[b, 1, 1, m]``, likewise.
        """
        found, at, first = [], 0, 0
        for length, count in self.runs:
            some, own = slice(at, at + length * count), slice(first, first + count)
            keys_seen = None if seen is None else seen[own]
            found.append(
                _joined(attend(_cut(query[:, :, some], count), key[own], value[own], keys_seen))
            )
            at, first = some.stop, own.stop
        return torch.cat(found, 2)


def _cut(x: Tensor, count: int) -> Tensor:
    """``[1, heads, count n, d] -> [count, heads, n, d]``."""
    return x[0].unflatten(1, (count, -1)).transpose(0, 1)


def _joined(x: Tensor) -> Tensor:
    """The inverse of ``_cut``."""
    return x.transpose(0, 1).flatten(1, 2).unsqueeze(0)
