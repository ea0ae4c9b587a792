"""What the first axis of a grid means to attention: an order in time, or slices of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor

from .tower import Inputs, View


def causal(slices: int, within: int, device: torch.device) -> Tensor:
    """``[1, 1, n, n]``, added to the scores of ``n = slices * within`` tokens: 0 for a token of the
    same slice or an earlier one, -inf for a later one.
    """
    place = torch.arange(slices, device=device).repeat_interleave(within)
    scores = torch.zeros(len(place), len(place), device=device)
    return scores.masked_fill(place > place[:, None], -torch.inf)[None, None]


def factorised(inputs: Inputs, slices: int, within: int, in_order: bool) -> Sequence[View]:
    """Attention within each slice of the first axis, and in the next block along that axis.

    Ma et al. 2024, arXiv:2401.03048, variant 1: ``slices + within`` scores for each token in place
    of ``slices * within``. Turns depend on differences of positions, so one sequence's serve all.

    Args:
        in_order: along the first axis, tokens see no later ones.
    """
    turn = None if inputs.turn is None else inputs.turn.unflatten(-3, (slices, within))
    order = causal(slices, 1, inputs.embedding.device) if in_order else None
    in_slice = _view(
        inputs, "(b s) n", slices, within, None if turn is None else turn.select(-4, 0)
    )
    along = _view(
        inputs, "(b n) s", slices, within, None if turn is None else turn.select(-3, 0), order
    )
    return (in_slice, along)


def _view(
    inputs: Inputs,
    parts: str,
    slices: int,
    within: int,
    turn: Tensor | None,
    order: Tensor | None = None,
) -> View:
    """The sequence as many short ones, whose axes are named ``parts``."""
    sizes = {"s": slices, "n": within}

    def cut(t: Tensor) -> Tensor:
        return rearrange(t, f"b (s n) ... -> {parts} ...", **sizes)

    def join(t: Tensor) -> Tensor:
        return rearrange(t, f"{parts} ... -> b (s n) ...", **sizes)

    def copied(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.repeat_interleave(slices * within // length, 0)

    length = within if parts.endswith("n") else slices
    embedding = copied(inputs.embedding)
    assert embedding is not None
    first = None if inputs.first is None else cut(inputs.first)
    if turn is not None and turn.ndim > 3:  # each example has its own
        turn = copied(turn.expand(len(inputs.embedding), -1, -1, -1, -1))
    tokens, token_mask = copied(inputs.tokens), copied(inputs.token_mask)
    seen = _keys(inputs.seen, cut, order)
    return View(cut, join, Inputs(embedding, turn, first, seen, tokens, token_mask))


def _keys(
    seen: Tensor | None, cut: Callable[[Tensor], Tensor], order: Tensor | None
) -> Tensor | None:
    """Which keys of each short sequence are seen; where none is real, all are."""
    if seen is None:
        return order
    real = cut(seen[:, 0, 0]).unsqueeze(1).unsqueeze(1)
    real = real | ~real.any(-1, keepdim=True)
    return real if order is None else order.masked_fill(~real, -torch.inf)
