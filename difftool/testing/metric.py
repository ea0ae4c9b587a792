"""The contract of a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ..description import Description
from ..metric import Metric
from .parts import load, named, needs_no_torch


def metric_contract(
    name: str,
    examples: Sequence[np.ndarray],
    data: Sequence[np.ndarray],
    *,
    options: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
    tolerance: float = 1e-6,
) -> type:
    """Tests that check a metric against its contract.

    Args:
        examples, data: in raw units, two or more of each, not all equal.
        extra: ``Description.extra`` of the data.
        tolerance: largest relative change of a number with the order of the examples.
    """

    def built() -> Metric:
        target, settings = load("metric", name, **(options or {}))
        sizes = zip(*(one.shape for one in data), strict=True)
        shape = tuple(n[0] if len(set(n)) == 1 else None for n in sizes)
        return target(
            settings, Description(shape, data[0].dtype.name, len(data), extra=extra or {})
        )

    class MetricContract:
        def test_it_gives_numbers_by_name(self) -> None:
            found = built().measure(examples, data)
            assert found
            assert all(
                isinstance(key, str) and isinstance(value, (int, float))
                for key, value in found.items()
            )
            assert not any(math.isinf(value) for value in found.values())

        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help."""
            assert needs_no_torch("metric", name)

        def test_the_same_examples_give_the_same_numbers(self) -> None:
            _agree(built().measure(examples, data), built().measure(examples, data), 0.0)

        def test_the_order_of_examples_says_nothing(self) -> None:
            _agree(
                built().measure(examples[::-1], data[::-1]),
                built().measure(examples, data),
                tolerance,
            )

        def test_without_data_what_needs_them_is_left_out_and_the_rest_is_the_same(self) -> None:
            alone, compared = built().measure(examples, []), built().measure(examples, data)
            _agree(alone, {key: compared[key] for key in alone}, tolerance)

        def test_one_example_has_the_same_names(self) -> None:
            assert (
                built().measure(examples[:1], data[:1]).keys()
                == built().measure(examples, data).keys()
            )

        def test_examples_and_data_are_only_read(self) -> None:
            ours, theirs = ([one.copy() for one in some] for some in (examples, data))
            for one in (*ours, *theirs):
                one.setflags(write=False)
            built().measure(ours, theirs)
            assert all(
                np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
                for a, b in zip(ours, examples, strict=True)
            )

    return named(MetricContract, name)


def _agree(found: dict[str, float], expected: dict[str, float], tolerance: float) -> None:
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance, nan_ok=True)
