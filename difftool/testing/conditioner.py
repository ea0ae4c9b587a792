"""The contract of a conditioner."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..conditioner import Conditioner
from ..description import Condition
from ..nn.backbone import Signals
from .parts import load, named

# A column, and three different values of it, for each kind there is.
COLUMNS: dict[str, tuple[Condition, Tensor]] = {
    "label": (Condition("c", "label", ("a", "b", "c"), (1, 1, 1)), torch.tensor([0, 1, 2])),
    "number": (Condition("c", "number", mean=5.0, std=2.0, low=0.0, high=9.0), torch.tensor([0.0, 4.0, 9.0])),
    "vector": (Condition("c", "vector", width=4), torch.eye(4)[:3]),
    "channels": (Condition("c", "channels", width=2), torch.arange(1.0, 31.0).reshape(3, 2, 5)),
}


def conditioner_contract(
    name: str, options: dict[str, Any] | None = None, *, condition: Condition | None = None, values: Tensor | None = None
) -> type:
    """Tests that a conditioner of this name keeps what every conditioner promises.

    Args:
        condition: the column it is built for; by default one of its own name's kind.
        values: ``[3, ...]``, three different values of that column.
    """
    column, usual = COLUMNS[condition.kind if condition else name]
    column, given = condition or column, usual if values is None else values

    def built() -> Conditioner:
        torch.manual_seed(0)
        target, settings = load("conditioner", name, **(options or {}))
        return target(settings, column)

    def tensors(signals: Signals) -> dict[str, Tensor]:
        return {kind: t for kind in ("vector", "tokens", "channels") if (t := getattr(signals, kind)) is not None}

    class ConditionerContract:
        def test_signals_are_those_it_announces(self):
            conditioner = built()
            found = tensors(conditioner(given))
            announced = {kind: width for kind in ("vector", "tokens", "channels") if (width := getattr(conditioner, kind))}
            assert announced
            assert {kind: t.shape[1 if kind == "channels" else -1] for kind, t in found.items()} == announced
            assert all(len(t) == len(given) and t.isfinite().all() for t in found.values())

        def test_null_is_a_value_like_any_other(self):
            null = built().null(given)
            assert (null.shape, null.dtype, null.device) == (given.shape, given.dtype, given.device)
            for signal in tensors(built()(null)).values():
                assert signal.isfinite().all()
                torch.testing.assert_close(signal, signal[:1].expand_as(signal))

        def test_different_values_and_null_are_told_apart(self):
            conditioner = built()
            both = torch.cat([given, conditioner.null(given[:1])])
            signals = torch.cat([t.flatten(1) for t in tensors(conditioner(both)).values()], 1)
            assert all(not torch.allclose(signals[i], signals[j]) for i in range(len(both)) for j in range(i))

        def test_examples_do_not_see_each_other(self):
            conditioner = built()
            mixed = torch.cat([given[:1], conditioner.null(given[1:])])
            for together, alone in zip(tensors(conditioner(mixed)).values(), tensors(conditioner(given[:1])).values(), strict=True):
                torch.testing.assert_close(together[:1], alone)

        def test_every_parameter_learns_and_null_brings_no_nan(self):
            conditioner = built()
            both = torch.cat([given, conditioner.null(given)])
            total = sum(t.square().sum() for t in tensors(conditioner(both)).values())
            if total.requires_grad:  # type: ignore[union-attr]
                total.backward()  # type: ignore[union-attr]
            gradients = {n: p.grad for n, p in conditioner.named_parameters()}
            assert [n for n, g in gradients.items() if g is None or not g.isfinite().all()] == []

        def test_dropout_is_a_probability(self):
            assert 0 <= built().dropout <= 1

    return named(ConditionerContract, name)
