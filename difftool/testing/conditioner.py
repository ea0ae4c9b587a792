"""The contract of a conditioner and of the columns that it takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ..column import Column, Value, kind_of
from ..conditioner import Conditioner
from ..conditioners.columns import ChannelsColumn, VectorColumn
from ..errors import UsageError
from ..nn.backbone import Signals
from .parts import imports_torch, load, named, registry

# For each of the core's conditioners: three different cells of a column, or a column and three
# values.
CELLS: dict[str, Sequence[str | float]] = {
    "label": ("a", "b", "c"),
    "labels": ("a;b", "b", "c; a"),
    "number": (0.0, 4.0, 9.0),
    "text": ("a red cat", "a red dog", "two red dogs"),
}
MADE: dict[str, tuple[Column, Tensor]] = {
    "vector": (VectorColumn("c", 4), torch.eye(4)[:3]),
    "channels": (ChannelsColumn("c", 2), torch.arange(1.0, 31.0).reshape(3, 2, 5)),
}
SIGNALS = ("vector", "tokens", "channels")


def conditioner_contract(
    name: str,
    options: dict[str, Any] | None = None,
    *,
    cells: Sequence[str | float] = (),
    column: Column | None = None,
    values: Tensor | None = None,
) -> type:
    """Tests that check a conditioner and the class of its columns against their contracts.

    Args:
        options: its settings, for example to make it small.
        cells: three different cells of a data column that it accepts, as much alike as they can be.
        column, values: instead of cells, if users cannot supply such a column: a column, and three
            different values of it, ``[3, ...]``.
    """
    cells = cells or CELLS.get(name, ())
    own, read, given = _columns(name, cells, column, values)

    def built() -> Conditioner:
        torch.manual_seed(0)
        target, settings = load("conditioner", name, **(options or {}))
        return target(settings, own)

    def tensors(signals: Signals) -> dict[str, Tensor]:
        """The signals by kind; padding of tokens is set to 0."""
        found = {kind: t for kind in SIGNALS if (t := getattr(signals, kind)) is not None}
        if signals.token_mask is not None:
            found["tokens"] = torch.where(signals.token_mask.unsqueeze(-1), found["tokens"], 0.0)
        return found

    class ConditionerContract:
        def test_signals_are_those_it_announces(self) -> None:
            conditioner = built()
            found = tensors(conditioner(given))
            announced = {kind: width for kind in SIGNALS if (width := getattr(conditioner, kind))}
            assert announced
            assert {
                kind: t.shape[1 if kind == "channels" else -1] for kind, t in found.items()
            } == announced
            assert all(len(t) == len(given) and t.isfinite().all() for t in found.values())

        def test_every_example_has_a_token_to_attend_to(self) -> None:
            """Null too, because attention over no token is undefined."""
            conditioner = built()
            mask = conditioner(torch.cat([given, conditioner.null(given)])).token_mask
            assert mask is None or (mask.dtype == torch.bool and mask.any(1).all())

        def test_null_is_a_value_like_any_other(self) -> None:
            null = built().null(given)
            assert (null.shape, null.dtype, null.device) == (given.shape, given.dtype, given.device)
            for signal in tensors(built()(null)).values():
                assert signal.isfinite().all()
                torch.testing.assert_close(signal, signal[:1].expand_as(signal))

        def test_different_values_and_null_are_told_apart(self) -> None:
            conditioner = built()
            both = torch.cat([given, conditioner.null(given[:1])])
            signals = torch.cat([t.flatten(1) for t in tensors(conditioner(both)).values()], 1)
            assert all(
                not torch.allclose(signals[i], signals[j])
                for i in range(len(both))
                for j in range(i)
            )

        def test_examples_do_not_see_each_other(self) -> None:
            conditioner = built()
            mixed = torch.cat([given[:1], conditioner.null(given[1:])])
            for together, alone in zip(
                tensors(conditioner(mixed)).values(),
                tensors(conditioner(given[:1])).values(),
                strict=True,
            ):
                torch.testing.assert_close(together[:1], alone)

        def test_every_parameter_learns_or_is_frozen_and_null_brings_no_nan(self) -> None:
            conditioner = built()
            with torch.no_grad():  # layers that start at zero hide others
                for p in conditioner.parameters():
                    if p.requires_grad:
                        p.add_(0.1 * torch.randn(p.shape))
            both = torch.cat([given, conditioner.null(given)])
            found = tensors(conditioner(both)).values()
            total = sum((t * torch.randn(t.shape)).sum() for t in found)
            if total.requires_grad:  # type: ignore[union-attr]
                total.backward()  # type: ignore[union-attr]
            gradients = {n: p.grad for n, p in conditioner.named_parameters() if p.requires_grad}
            assert [n for n, g in gradients.items() if g is None or not g.isfinite().all()] == []
            assert [n for n, g in gradients.items() if g is not None and not g.any()] == []

        def test_dropout_is_a_probability(self) -> None:
            assert 0 <= built().dropout <= 1

    class ColumnContract:
        def test_it_is_named_by_the_spec_and_found_by_its_kind(self) -> None:
            """A model file only stores the kind."""
            assert isinstance(own, registry().column(name))
            assert kind_of(own.kind) is type(own)

        def test_its_module_imports_no_torch(self) -> None:
            assert not imports_torch(type(own).__module__)

        def test_a_file_keeps_it(self) -> None:
            kept = Column.from_json(json.loads(json.dumps(own.to_json())))
            assert kept == own
            assert kept.same_as(own)

    class DataColumnContract(ColumnContract):
        def test_every_row_has_a_value_and_an_empty_one_is_null(self) -> None:
            assert len(read) == len(cells) + 3
            assert [own.show(value) is None for value in read] == [
                *(False for _ in cells),
                False,
                True,
                True,
            ]

        def test_what_is_shown_can_be_written(self) -> None:
            for value in read[:3]:
                assert _same(own, own.parse(str(own.show(value))), value)

        def test_a_row_does_not_depend_on_the_others(self) -> None:
            together = own.batch(read)
            assert together.dtype in (np.int64, np.float32)
            for value, row in zip(read, together, strict=True):
                assert np.array_equal(own.batch([value])[0], row, equal_nan=True)

        def test_null_is_that_of_the_conditioner(self) -> None:
            assert _same(own, own.parse("none"), own.null)
            null = torch.from_numpy(own.batch([own.null]))
            torch.testing.assert_close(built().null(null), null, atol=0, rtol=0, equal_nan=True)

        def test_draws_are_values_as_often_as_they_occur(self) -> None:
            """Or, for columns without a fixed set of values, values that can be parsed."""
            drawn = [own.draw((i + 0.5) / 1000) for i in range(1000)]
            shares, occur = (
                Counter(own.show(value) for value in values) for values in (drawn, read[:4])
            )
            assert None not in shares
            if shares.keys() <= occur.keys():
                assert all(
                    abs(shares[shown] / 1000 - count / 4) < 0.01 for shown, count in occur.items()
                )
            else:
                assert all(_same(own, own.parse(str(own.show(value))), value) for value in drawn)

        def test_every_choice_is_a_value(self) -> None:
            shown = [own.show(value) for value in own.choices()]
            assert len(set(shown)) == len(shown)
            assert None not in shown

    class MadeColumnContract(ColumnContract):
        def test_no_user_gives_it(self) -> None:
            assert not own.settable
            with pytest.raises(UsageError):
                type(own).read("c", [{"c": 1.0}])
            with pytest.raises(UsageError):
                own.parse("1")

    columns = DataColumnContract if cells else MadeColumnContract
    return named(type("ConditionerContract", (ConditionerContract, columns), {}), name)


def _columns(
    name: str, cells: Sequence[str | float], column: Column | None, values: Tensor | None
) -> tuple[Column, list[Value], Tensor]:
    """The column, its values, and the first three as a batch.

    The values are those of the cells, of the second cell again, of an empty and of a missing cell.
    """
    if cells:
        rows: list[dict[str, str | float]] = [
            *({"c": cell} for cell in (*cells, cells[1], "")),
            {"d": 1.0},
        ]
        own, read = registry().column(name).read("c", rows)
        return own, list(read), torch.from_numpy(own.batch(list(read)[:3]))
    if column is None or values is None:
        if name not in MADE:
            raise UsageError(
                f"conditioner_contract needs cells, or column and values, for {name!r}"
            )
        column, values = MADE[name]
    return column, [], values


def _same(column: Column, one: Value, other: Value) -> bool:
    return np.array_equal(column.batch([one]), column.batch([other]), equal_nan=True)
