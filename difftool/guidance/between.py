"""Between: a denoiser under conditions that lie between two, by their embeddings."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..denoiser import Cond, D
from ..nn.backbone import Signals
from ..wrapper import Wrapper
from .pair import repeated


class Between(Wrapper):
    """A denoiser whose signals are a mixture of those of two conditions.

    Labels and texts have nothing between them; their embeddings do: e = (1 - w) e_1 + w e_2.

    Args:
        others: condition name -> ``[b, ...]``, the second value for each sample of a batch. Where
            the first is not given, as in the unconditional half of guidance, the second is not.
        weights: ``[b]``, how far from the first to the second.
    """

    def __init__(self, denoiser: D, others: Mapping[str, Tensor], weights: Tensor) -> None:
        super().__init__(denoiser)
        self._others, self._weights = others, weights

    def signals(self, cond: Cond) -> Signals:
        null = self._denoiser.null(cond)
        second = dict(cond)
        for name, other in self._others.items():
            first = cond[name]
            given = ~_rows_equal(first, null[name])
            values = repeated(other, len(first))
            second[name] = torch.where(given.view(-1, *(1,) * (first.ndim - 1)), values, first)
        one, two = self._denoiser.signals(cond), self._denoiser.signals(second)
        return mixed(one, two, repeated(self._weights, len(next(iter(null.values())))))

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return self._evaluated(x, sigma, signals, mask)


def mixed(one: Signals, two: Signals, weights: Tensor) -> Signals:
    """(1 - w) of the first and w of the second; a token is real if it is in either.

    Args:
        weights: ``[b]``.
    """
    first, second = one.tensors(), two.tensors()
    if "tokens" in first:
        most = max(first["tokens"].shape[1], second["tokens"].shape[1])
        first, second = _padded(first, most), _padded(second, most)
    found = {
        name: torch.lerp(a, b, weights.view(-1, *(1,) * (a.ndim - 1)).to(a))
        for name, a in first.items()
        if name != "token_mask" and (b := second.get(name)) is not None
    }
    if "token_mask" in first:
        found["token_mask"] = first["token_mask"] | second["token_mask"]
    return Signals(**found)


def _padded(signals: Mapping[str, Tensor], most: int) -> dict[str, Tensor]:
    """With so many tokens, of which those that are added are not real."""
    tokens = signals["tokens"]
    mask = signals.get("token_mask")
    if mask is None:
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    more = most - tokens.shape[1]
    padded = {"tokens": F.pad(tokens, (0, 0, 0, more)), "token_mask": F.pad(mask, (0, more))}
    return {**signals, **padded}


def _rows_equal(a: Tensor, b: Tensor) -> Tensor:
    """``[b]``: whether two rows are the same, where NaN is the same as NaN."""
    return torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).reshape(len(a), -1).all(1)
