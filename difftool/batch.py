"""Batch: the tensor that is diffused, with its conditions and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """The examples of a step of training or sampling.

    Attributes:
        x: ``[b, ...]``, the diffused tensor: raw units before ``Representation.encode``, model
            units after it.
        cond: condition name -> ``[b, ...]``; an entry may be *null* ("not given"), see
            ``Conditioner.null``.
        mask: broadcasts to ``x``; True marks a real entry, False padding. None when everything is
            real.
        observed: broadcasts to ``x``; True marks a given entry (an inpainting mask): no loss counts
            it, and samples keep it.
        noise_free: the network meets the observed entries without noise, in training and in
            sampling.
    """

    x: Tensor
    cond: Mapping[str, Tensor] = field(default_factory=dict)
    mask: Tensor | None = None
    observed: Tensor | None = None
    noise_free: bool = False

    def __len__(self) -> int:
        return self.x.shape[0]

    def map(self, f: Callable[[Tensor], Tensor]) -> Batch:
        """The same batch with ``f`` applied to every tensor in it (a move to a device, a slice)."""
        mask, observed = (None if t is None else f(t) for t in (self.mask, self.observed))
        return Batch(
            f(self.x), {k: f(v) for k, v in self.cond.items()}, mask, observed, self.noise_free
        )

    def part(self, start: int, size: int) -> Batch:
        """``size`` examples from ``start`` on; tensors that all examples share stay whole."""
        whole = len(self)
        return self.map(lambda t: t[start : start + size] if len(t) == whole else t)

    def with_x(self, x: Tensor) -> Batch:
        return replace(self, x=x)

    def with_cond(self, /, **cond: Tensor) -> Batch:
        """The same batch with these conditions added or replaced."""
        return replace(self, cond={**self.cond, **cond})


def together(batches: Sequence[Batch]) -> Batch:
    """Batches of equal shapes as one. All must have the same conditions and masks."""

    def joined(tensors: Sequence[Tensor | None]) -> Tensor | None:
        present = [t for t in tensors if t is not None]
        return torch.cat(present) if present else None

    first = batches[0]
    cond = {name: torch.cat([batch.cond[name] for batch in batches]) for name in first.cond}
    mask, observed = (
        joined([batch.mask for batch in batches]),
        joined([batch.observed for batch in batches]),
    )
    return Batch(torch.cat([batch.x for batch in batches]), cond, mask, observed, first.noise_free)
