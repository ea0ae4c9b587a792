"""The laws of the conditioners: null is a value, values tell apart, gradients are finite."""

from __future__ import annotations

import pytest
import torch

from difftool.conditioners.channels import Channels
from difftool.conditioners.columns import ChannelsColumn, LabelColumn, NumberColumn, VectorColumn
from difftool.conditioners.label import Label
from difftool.conditioners.number import Number
from difftool.conditioners.options import (
    ChannelsOptions,
    LabelOptions,
    NumberOptions,
    VectorOptions,
)
from difftool.conditioners.vector import Vector
from difftool.errors import UsageError

LABEL = LabelColumn("kind", names=("a", "b", "c"))
NUMBER = NumberColumn("size", mean=100.0, std=20.0)
VECTOR = VectorColumn("augmentation", width=3)


def cases():
    yield Label(LabelOptions(width=16), LABEL), torch.tensor([0, 1, 2])
    yield Number(NumberOptions(width=16), NUMBER), torch.tensor([80.0, 101.0, 130.0])
    yield Vector(VectorOptions(width=16), VECTOR), torch.randn(3, 3)


@pytest.fixture(params=range(3), ids=["label", "number", "vector"])
def case(request):
    torch.manual_seed(0)
    return list(cases())[request.param]


def test_it_says_how_wide_it_is(case):
    conditioner, value = case
    assert conditioner(value).vector.shape == (3, conditioner.vector)
    assert conditioner(value).tokens is None
    assert conditioner(value).channels is None


def test_null_is_a_value_like_any_other(case):
    conditioner, value = case
    null = conditioner.null(value)
    assert (null.shape, null.dtype) == (value.shape, value.dtype)
    rows = conditioner(null).vector
    assert torch.equal(rows[0], rows[1])
    assert rows.isfinite().all()


def test_values_and_null_are_told_apart(case):
    conditioner, value = case
    rows = torch.cat((conditioner(value).vector, conditioner(conditioner.null(value)).vector[:1]))
    assert torch.pdist(rows.detach()).min() > 0.1


def test_each_example_has_its_own(case):
    conditioner, value = case
    mixed = torch.cat((value[:1], conditioner.null(value)[:1], value[2:]))
    torch.testing.assert_close(conditioner(mixed).vector[[0, 2]], conditioner(value).vector[[0, 2]])


def test_gradients_are_finite_with_null_among_the_values(case):
    conditioner, value = case
    mixed = torch.cat((value, conditioner.null(value)[:1]))
    conditioner(mixed).vector.square().sum().backward()
    for name, p in conditioner.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert p.grad.abs().sum() > 0, name


def test_several_combine_by_adding():
    (label, a), (number, b), _ = cases()
    torch.testing.assert_close((label(a) + number(b)).vector, label(a).vector + number(b).vector)


def test_a_label_out_of_range_is_an_error():
    with pytest.raises(IndexError):
        Label(LabelOptions(), LABEL)(torch.tensor([3]))


def test_a_number_is_seen_in_units_of_its_spread():
    torch.manual_seed(0)
    wide = Number(NumberOptions(), NUMBER)
    torch.manual_seed(0)
    narrow = Number(NumberOptions(), NumberColumn("size", mean=0.0, std=1.0))
    torch.testing.assert_close(
        wide(torch.tensor([120.0])).vector, narrow(torch.tensor([1.0])).vector
    )


def test_a_constant_number_is_no_division_by_zero():
    conditioner = Number(NumberOptions(), NumberColumn("size", mean=3.0, std=0.0))
    assert conditioner(torch.tensor([3.0])).vector.isfinite().all()


def test_a_vector_of_zeros_adds_nothing():
    assert not Vector(VectorOptions(), VECTOR)(torch.zeros(2, 3)).vector.any()


def test_dropping_is_on_by_default_where_a_user_may_leave_it_open():
    assert [conditioner.dropout for conditioner, _ in cases()] == [0.1, 0.1, 0.0]


def test_channels_are_laid_beside_x_as_they_are_and_null_is_zero():
    channels, value = (
        Channels(ChannelsOptions(), ChannelsColumn("seen", width=2)),
        torch.randn(3, 2, 5, 4),
    )
    assert channels.channels == 2
    assert torch.equal(channels(value).channels, value)
    assert not channels.null(value).any()


def test_channels_cannot_be_written_on_the_command_line():
    with pytest.raises(UsageError, match=r"cannot be set with --cond. Leave it out: its channels"):
        ChannelsColumn("seen", width=2).parse("1")
