"""Columns to conditions."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.conditioners.columns import LabelColumn, LabelsColumn, NumberColumn
from difftool.data.columns import automatic, condition
from difftool.errors import DataError, UsageError

ROWS = [{"class": "b10", "hz": 440.0}, {"class": "b2", "hz": 220}, {"class": "b10"}, {"hz": ""}]


def test_labels_are_in_natural_order_with_counts_and_null():
    found, values = condition("class", LabelColumn, ROWS)
    assert found.names == ("b2", "b10")
    assert found.counts == (1, 2)
    assert values.tolist() == [1, 0, 1, -1]


def test_numbers_are_measured_and_missing_ones_null():
    found, values = condition("hz", NumberColumn, ROWS)
    assert (found.low, found.high, found.mean) == (220, 440, 330)
    assert np.isnan(values[2:]).all()
    assert values[:2].tolist() == [440, 220]


@pytest.mark.parametrize("kind", [LabelColumn, LabelsColumn, NumberColumn])
def test_a_value_is_shown_as_its_row_of_a_batch_is(kind):
    """A template may set such a condition, and gives rows."""
    found, values = kind.read("hz", [*ROWS, {"hz": 0.1}])
    assert [found.show(row) for row in found.batch(list(values))] == [
        found.show(value) for value in values
    ]


def test_what_cannot_be_a_condition_is_reported():
    with pytest.raises(DataError, match=r"no column 'size'.*class, hz"):
        condition("size", LabelColumn, ROWS)
    with pytest.raises(DataError, match="does not hold numbers only"):
        condition("class", NumberColumn, ROWS)


def test_only_a_recurring_class_is_automatic():
    assert automatic(ROWS) == "class"
    assert automatic([{"class": str(i)} for i in range(10)]) is None
    assert automatic([{"caption": "a"}, {"caption": "b"}] * 5) is None


def test_parsing_what_a_user_writes():
    label, _ = condition("class", LabelColumn, ROWS)
    assert label.parse("b10") == 1
    assert label.parse("none") == -1
    with pytest.raises(UsageError, match="Did you mean 'b10'"):
        label.parse("b1O")
    number, _ = condition("hz", NumberColumn, ROWS)
    assert number.parse("330.5") == 330.5
    with pytest.raises(UsageError, match="220 to 440"):
        number.parse("high")


def test_large_numbers_are_measured_exactly_and_absurd_ones_are_null():
    found, values = condition(
        "t", NumberColumn, [{"t": 1.7e9 + i} for i in range(1000)] + [{"t": 1e300}, {}]
    )
    assert found.std == pytest.approx(288.675, rel=1e-4)
    assert (found.low, found.high) == (1.7e9, 1.7e9 + 999)
    assert np.isnan(values[-2:]).all()
    assert values.dtype == np.float32


def test_labels_that_are_large_numbers_stay_apart():
    found, values = condition(
        "id", LabelColumn, [{"id": 1000001.0}, {"id": 1000002.0}, {"id": 0.5}]
    )
    assert set(found.names) == {"0.5", "1000001", "1000002"}
    assert [found.names[i] for i in values] == ["1000001", "1000002", "0.5"]


def test_labels_may_hold_digits_of_any_script():
    assert set(condition("a", LabelColumn, [{"a": "3²"}, {"a": "①"}, {"a": "٣"}])[0].names) == {
        "3²",
        "①",
        "٣",
    }


def test_equal_numbers_have_a_spread_of_one_whatever_rounding_leaves():
    assert np.std([0.1] * 3) > 0
    for value in (0.1, 0.0, -1e6):
        assert condition("x", NumberColumn, [{"x": value}] * 3)[0].std == 1.0
